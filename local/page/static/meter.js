/** What is shown while recording: the clock, the level, and a warning when nothing is heard. */

import { byId, clock } from "./dom.js";
import { Wave } from "./wave.js";

// A speaker may hesitate this long before we doubt the microphone.
const QUIET_AFTER_S = 4;
const QUIET_LEVEL = 0.15;

export class Meter {
  #wave = new Wave(byId("level"));
  #loudest = 0;

  clear() {
    this.#wave.clear();
    this.#loudest = 0;
    byId("clock").textContent = clock(0);
    byId("too-quiet").hidden = true;
  }

  /** So many seconds are recorded, the level now is between 0 and 1. */
  show(seconds, level) {
    byId("clock").textContent = clock(seconds);
    this.#wave.add(level);
    this.#loudest = Math.max(this.#loudest, level);
    byId("too-quiet").hidden = seconds < QUIET_AFTER_S || this.#loudest > QUIET_LEVEL;
  }
}
