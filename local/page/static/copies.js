/**
 * This tab's copies of the recordings it has sent, to play them and to send them again: the service deletes its audio.
 * They exist only as long as the tab.
 */

// Phones have little memory. The oldest copies are dropped first.
const MAX_BYTES = 200e6;

export class Copies {
  #kept = new Map();

  /** Keeps a session's recording `{blob, name, durationS, topic}`. */
  put(id, recording) {
    this.#kept.set(id, { ...recording, url: URL.createObjectURL(recording.blob) });
    for (const oldest of this.#kept.keys()) {
      if (oldest === id || this.#bytes() <= MAX_BYTES) return;
      this.delete(oldest);
    }
  }

  /** Returns the copy, with a `url` to play it from, or undefined. */
  get(id) {
    return this.#kept.get(id);
  }

  delete(id) {
    if (this.#kept.has(id)) URL.revokeObjectURL(this.#kept.get(id).url);
    this.#kept.delete(id);
  }

  clear() {
    for (const id of [...this.#kept.keys()]) this.delete(id);
  }

  #bytes() {
    return [...this.#kept.values()].reduce((sum, { blob }) => sum + blob.size, 0);
  }
}
