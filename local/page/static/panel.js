/** The panel that takes a recording: idle, recording, review, sending. */

import { Problem, upload } from "./api.js";
import { confirmed, QUESTIONS } from "./confirm.js";
import { announce, byId, sentence, showProblem } from "./dom.js";
import { acceptDrops } from "./drops.js";
import { fromFile } from "./file.js";
import { Microphone } from "./microphone.js";
import { clearReview, showProgress, showReview } from "./review.js";
import { fetchSample, SAMPLE_NOTE, SAMPLE_TOPIC } from "./sample.js";

const BUSY = { recording: "Stop this recording first, then drop the file again.", sending: "Wait until this recording is sent." };

export class Panel {
  #state = "idle";
  // Grows when the learner leaves: what was begun before must not come back after.
  #turn = 0;
  #microphone = new Microphone();
  #recording;
  #sending;
  #onSent;
  #onProblem;

  /** `onSent(session, recording)` hears of each accepted upload, `onProblem(problem)` of what went wrong. */
  constructor({ onSent, onProblem }) {
    this.#onSent = onSent;
    this.#onProblem = onProblem;
    const actions = {
      start: () => this.#start(), send: () => this.#send(), cancel: () => this.#sending.abort(), discard: () => this.#discard(),
      sample: () => this.#take(fetchSample, { topic: SAMPLE_TOPIC, note: SAMPLE_NOTE }),
    };
    for (const [id, act] of Object.entries(actions)) byId(id).addEventListener("click", act);
    byId("file").addEventListener("change", (event) => this.#choose(event.target.files[0]));
    acceptDrops((file) => byId("workspace").hidden || this.#choose(file));
    addEventListener("beforeunload", (event) => this.holds && event.preventDefault());
  }

  /** Whether there is a recording that exists only in this tab. */
  get holds() {
    return this.#state !== "idle";
  }

  /** End a running recording but keep it. */
  suspend() {
    if (this.#state === "recording") this.#microphone.stop();
    byId("player").pause();
  }

  /** Forget the recording, whatever is being done with it, and its topic. */
  forget() {
    this.#turn += 1;
    this.#microphone.forget();
    this.#sending?.abort();
    this.#clear();
  }

  /** Send a recording anew. False if there is another one in hand. */
  resend(recording) {
    if (this.holds) return false;
    this.#review(recording);
    this.#send();
    return true;
  }

  async #start() {
    const turn = this.#turn;
    const isWanted = () => turn === this.#turn && this.#state === "idle";
    showProblem("record");
    byId("start").disabled = true;
    try {
      if (!(await this.#microphone.start((taken) => turn === this.#turn && this.#review(taken), isWanted))) return;
      this.#show("recording", "stop");
      announce("Recording");
    } catch (problem) {
      if (isWanted()) this.#onProblem(problem);
    } finally {
      byId("start").disabled = false;
    }
  }

  #choose(file) {
    // So that choosing the same file again is a change.
    byId("file").value = "";
    if (file) this.#take(() => file);
  }

  async #take(fetchFile, { topic, note } = {}) {
    const turn = this.#turn;
    showProblem("record");
    try {
      if (BUSY[this.#state]) throw new Problem(BUSY[this.#state], "BUSY");
      const taken = await fromFile(await fetchFile());
      if (turn === this.#turn && this.#state === "review" && !(await confirmed(QUESTIONS.replace))) return;
      if (turn === this.#turn && !BUSY[this.#state]) this.#review({ ...taken, topic }, note);
    } catch (problem) {
      if (turn === this.#turn) this.#onProblem(problem);
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
    showProblem("record");
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
    } catch (problem) {
      if (turn === this.#turn) this.#failed(problem);
    }
  }

  #failed(problem) {
    this.#show("review", "send");
    if (problem.code === "CANCELLED") return announce("Upload cancelled");
    if (problem.status === 0 || problem.status >= 500) problem.message = `${sentence(problem.message)} Your recording is still here: send it again.`;
    this.#onProblem(problem);
  }

  #discard() {
    this.#clear("start");
    announce("Recording discarded");
  }

  #clear(focused) {
    clearReview();
    this.#recording = this.#sending = undefined;
    showProblem("record");
    this.#show("idle", focused);
  }

  #show(state, focused) {
    this.#state = state;
    for (const part of byId("record").querySelectorAll("[data-state]")) part.hidden = part.dataset.state !== state;
    byId(focused)?.focus();
  }
}
