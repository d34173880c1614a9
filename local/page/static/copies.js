/** This tab's own copies of what it has sent, to play and to send again; the service deletes its audio. Gone with the tab. */

// A phone has little memory to spare. The oldest copies go first.
const MAX_BYTES = 200e6;

export class Copies {
  #kept = new Map();

  /** Keep a recording `{blob, name, durationS, topic}` as that of a session. */
  put(id, recording) {
    this.#kept.set(id, { ...recording, url: URL.createObjectURL(recording.blob) });
    for (const oldest of this.#kept.keys()) {
      if (oldest === id || this.#bytes() <= MAX_BYTES) return;
      this.delete(oldest);
    }
  }

  /** The copy with the `url` to play it from, or undefined. */
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
