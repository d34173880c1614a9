/** The panel's controls while recording: start, pause, stop, clock and level. */

import { announce, byId } from "./dom.js";
import { Meter } from "./meter.js";
import { record } from "./recorder.js";

export class Microphone {
  #meter = new Meter();
  #recorder;
  #paused = false;

  constructor() {
    byId("pause").addEventListener("click", () => this.#toggle());
    byId("stop").addEventListener("click", () => this.stop());
  }

  /**
   * Starts recording, unless `isWanted()` is false by the time the microphone is open. Returns whether it has started.
   * Calls `onEnd(recording)` once.
   */
  async start(onEnd, isWanted) {
    this.#meter.clear();
    this.#setPaused(false);
    const recorder = await record({ onTick: (seconds, level) => this.#meter.show(seconds, level), onEnd });
    if (!isWanted()) {
      recorder.abandon();
      return false;
    }
    this.#recorder = recorder;
    return true;
  }

  /** Ends the recording and passes it to `onEnd`. */
  stop() {
    this.#recorder?.stop();
  }

  /** Ends the recording, if any, and discards it. */
  forget() {
    this.#recorder?.abandon();
    this.#recorder = undefined;
    this.#meter.clear();
  }

  #toggle() {
    if (this.#paused) this.#recorder.resume();
    else this.#recorder.pause();
    this.#setPaused(!this.#paused);
    announce(this.#paused ? "Recording paused" : "Recording");
  }

  #setPaused(paused) {
    this.#paused = paused;
    byId("pause").textContent = paused ? "Resume" : "Pause";
    byId("live").classList.toggle("live", !paused);
  }
}
