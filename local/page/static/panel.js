/** The panel for a new recording. Its states are idle, recording, review and sending. */

import { UserError, upload } from "./api.js";
import { confirmed, QUESTIONS } from "./confirm.js";
import { announce, byId, sentence, showError } from "./dom.js";
import { acceptDrops } from "./drops.js";
import { fromFile } from "./file.js";
import { Microphone } from "./microphone.js";
import { clearReview, showProgress, showReview } from "./review.js";
import { fetchSample, SAMPLE_NOTE, SAMPLE_TOPIC } from "./sample.js";

const BUSY = {
  recording: "Stop this recording first, then drop the file again.", sending: "Wait until this recording is sent.",
};

export class Panel {
  #state = "idle";
  // Increases when the learner signs out. Whatever was started in an earlier turn is then ignored.
  #turn = 0;
  #microphone = new Microphone();
  #recording;
  #sending;
  #onSent;
  #onError;

  /** Calls `onSent(session, recording)` after each accepted upload, and `onError(error)`. */
  constructor({ onSent, onError }) {
    this.#onSent = onSent;
    this.#onError = onError;
    const actions = {
      start: () => this.#start(), send: () => this.#send(),
      cancel: () => this.#sending.abort(), discard: () => this.#discard(),
      sample: () => this.#take(fetchSample, { topic: SAMPLE_TOPIC, note: SAMPLE_NOTE }),
    };
    for (const [id, act] of Object.entries(actions)) byId(id).addEventListener("click", act);
    byId("file").addEventListener("change", (event) => this.#choose(event.target.files[0]));
    acceptDrops((file) => byId("workspace").hidden || this.#choose(file));
    addEventListener("beforeunload", (event) => this.hasUnsent && event.preventDefault());
  }

  /** Whether there is a recording that exists only in this tab. */
  get hasUnsent() {
    return this.#state !== "idle";
  }

  /** Ends a running recording but keeps it. */
  suspend() {
    if (this.#state === "recording") this.#microphone.stop();
    byId("player").pause();
  }

  /** Discards the recording and its topic in any state. */
  forget() {
    this.#turn += 1;
    this.#microphone.forget();
    this.#sending?.abort();
    this.#clear();
  }

  /** Sends a recording again. Returns false if the panel has another one. */
  resend(recording) {
    if (this.hasUnsent) return false;
    this.#review(recording);
    this.#send();
    return true;
  }

  async #start() {
    const turn = this.#turn;
    const isWanted = () => turn === this.#turn && this.#state === "idle";
    showError("record");
    byId("start").disabled = true;
    try {
      if (!(await this.#microphone.start((taken) => turn === this.#turn && this.#review(taken), isWanted))) return;
      this.#show("recording", "stop");
      announce("Recording");
    } catch (error) {
      if (isWanted()) this.#onError(error);
    } finally {
      byId("start").disabled = false;
    }
  }

  #choose(file) {
    // Otherwise choosing the same file again would trigger no change event.
    byId("file").value = "";
    if (file) this.#take(() => file);
  }

  async #take(fetchFile, { topic, note } = {}) {
    const turn = this.#turn;
    showError("record");
    try {
      if (BUSY[this.#state]) throw new UserError(BUSY[this.#state], "BUSY");
      const taken = await fromFile(await fetchFile());
      if (turn === this.#turn && this.#state === "review" && !(await confirmed(QUESTIONS.replace))) return;
      if (turn === this.#turn && !BUSY[this.#state]) this.#review({ ...taken, topic }, note);
    } catch (error) {
      if (turn === this.#turn) this.#onError(error);
    }
  }

  #review(taken, note) {
    this.#recording = taken;
    showReview(taken, note);
    this.#show("review", "send");
    announce("Recording ready to send");
  }

  async #send() {
    const turn = this.#turn;
    const recording = { ...this.#recording, topic: byId("topic").value.trim() };
    showError("record");
    byId("player").pause();
    this.#sending = new AbortController();
    showProgress(0);
    this.#show("sending", "cancel");
    announce("Uploading");
    try {
      const session = await upload(recording, showProgress, this.#sending.signal);
      if (turn !== this.#turn) return;
      this.#clear();
      this.#onSent({ ...session, durationSecs: Math.floor(recording.durationS), topic: recording.topic }, recording);
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    }
  }

  #failed(error) {
    this.#show("review", "send");
    if (error.code === "CANCELLED") return announce("Upload cancelled");
    if (error.status === 0 || error.status >= 500) {
      error.message = `${sentence(error.message)} Your recording is still here: send it again.`;
    }
    this.#onError(error);
  }

  #discard() {
    this.#clear("start");
    announce("Recording discarded");
  }

  #clear(focused) {
    clearReview();
    this.#recording = this.#sending = undefined;
    showError("record");
    this.#show("idle", focused);
  }

  #show(state, focused) {
    this.#state = state;
    for (const part of byId("record").querySelectorAll("[data-state]")) part.hidden = part.dataset.state !== state;
    byId(focused)?.focus();
  }
}
