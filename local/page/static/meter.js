/** The display while recording: the clock, the level, and a warning if there is almost no sound. */

import { byId, clock } from "./dom.js";
import { Wave } from "./wave.js";

// Wait this long before warning: the speaker may just be hesitating.
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

  /** Shows the recorded seconds and the current level, from 0 to 1. */
  show(seconds, level) {
    byId("clock").textContent = clock(seconds);
    this.#wave.add(level);
    this.#loudest = Math.max(this.#loudest, level);
    byId("too-quiet").hidden = seconds < QUIET_AFTER_S || this.#loudest > QUIET_LEVEL;
  }
}
