/** The microphone's part of the panel: start, pause, stop, clock and level. */

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

  /** Start, unless `isWanted()` is no longer true once there is a microphone. Whether it started. `onEnd(recording)` comes once. */
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

  /** End the recording and hand it over. */
  stop() {
    this.#recorder?.stop();
  }

  /** End the recording, if any, and forget it. */
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
