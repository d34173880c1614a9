/** The panel that takes a recording: idle, recording, review, sending. */

import { upload } from "./api.js";
import { announce, byId, clock, showProblem } from "./dom.js";
import { fromFile } from "./file.js";
import { record } from "./recorder.js";
import { Wave } from "./wave.js";

// As long may a speaker hesitate before we doubt the microphone.
const QUIET_AFTER_S = 4;
const QUIET_LEVEL = 0.15;

/** Wires the panel; `onSent(session)` hears of each accepted upload, `onProblem(problem)` of what went wrong. */
export function createPanel({ onSent, onProblem }) {
  const wave = new Wave(byId("level"));
  let stop, recording, sending, loudest;

  const show = (state, focused) => {
    for (const part of byId("record").querySelectorAll("[data-state]")) part.hidden = part.dataset.state !== state;
    byId(focused)?.focus();
  };

  const onTick = (seconds, level) => {
    byId("clock").textContent = clock(seconds);
    wave.add(level);
    loudest = Math.max(loudest, level);
    byId("too-quiet").hidden = seconds < QUIET_AFTER_S || loudest > QUIET_LEVEL;
  };

  const start = async () => {
    showProblem();
    byId("start").disabled = true;
    loudest = 0;
    wave.clear();
    byId("clock").textContent = clock(0);
    try {
      stop = await record({ onTick, onEnd: review });
      show("recording", "stop");
      announce("Recording");
    } catch (problem) {
      onProblem(problem);
    } finally {
      byId("start").disabled = false;
    }
  };

  const review = (taken) => {
    recording = taken;
    const size = taken.blob.size < 1e6 ? `${Math.ceil(taken.blob.size / 1e3)} KB` : `${(taken.blob.size / 1e6).toFixed(1)} MB`;
    byId("review-text").textContent = `${taken.name} · ${taken.durationS ? clock(taken.durationS) : "length unknown"} · ${size}`;
    byId("player").src = URL.createObjectURL(taken.blob);
    show("review", "send");
    announce("Recording ready to send");
  };

  const choose = async (file) => {
    if (!file) return;
    showProblem();
    review(await fromFile(file));
  };

  const discard = () => {
    URL.revokeObjectURL(byId("player").src);
    byId("player").removeAttribute("src");
    byId("player").load();
    byId("topic").value = byId("file").value = "";
    recording = undefined;
    show("idle", "start");
  };

  const onProgress = (share) => {
    byId("progress").value = share;
    byId("percent").textContent = `${Math.floor(share * 100)} %`;
  };

  const send = async () => {
    showProblem();
    byId("player").pause();
    sending = new AbortController();
    onProgress(0);
    show("sending", "cancel");
    announce("Uploading");
    try {
      const topic = byId("topic").value.trim();
      const durationSecs = Math.floor(recording.durationS);
      const session = await upload({ ...recording, topic }, onProgress, sending.signal);
      discard();
      onSent({ ...session, durationSecs, topic });
    } catch (problem) {
      show("review", "send");
      onProblem(problem);
    }
  };

  byId("start").addEventListener("click", start);
  byId("stop").addEventListener("click", () => stop());
  byId("send").addEventListener("click", send);
  byId("discard").addEventListener("click", () => {
    discard();
    announce("Recording discarded");
  });
  byId("cancel").addEventListener("click", () => sending.abort());
  byId("file").addEventListener("change", (event) => choose(event.target.files[0]));
  acceptDrops(byId("drop"), choose);
  // A recording that was not sent exists nowhere else.
  addEventListener("beforeunload", (event) => recording && event.preventDefault());
}

function acceptDrops(zone, choose) {
  const over = (event) => {
    event.preventDefault();
    zone.classList.add("over");
  };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    choose(event.dataTransfer.files[0]);
  });
}
