/** Records the microphone, and tells how loud it is. */

import { Problem } from "./api.js";

// Chrome and Firefox write the first, Safari the second.
const KINDS = ["audio/webm;codecs=opus", "audio/mp4"];
const BITS_PER_SECOND = 64_000;
const TICK_MS = 50;
// What counts as silence, in decibels below full scale.
const FLOOR_DB = -60;

const SENTENCES = {
  NotAllowedError: "The microphone is blocked. Allow it in the address bar, or choose a file instead.",
  NotFoundError: "No microphone was found. Plug one in, or choose a file instead.",
  NotReadableError: "The microphone is in use by another program.",
};

/** Counts seconds, but not those of a pause. */
class Stopwatch {
  #before = 0;
  #since;
  start() {
    this.#since ??= performance.now();
  }
  stop() {
    this.#before = this.seconds;
    this.#since = undefined;
  }
  get seconds() {
    return this.#before + (this.#since === undefined ? 0 : (performance.now() - this.#since) / 1000);
  }
}

/** A recording that is being made. */
class Recorder {
  #stream;
  #context;
  #recorder;
  #ticking;
  #watch = new Stopwatch();
  #chunks = [];
  #onEnd;

  constructor(stream, { onTick, onEnd }) {
    this.#stream = stream;
    this.#onEnd = onEnd;
    this.#context = new AudioContext();
    const analyser = new AnalyserNode(this.#context, { fftSize: 2048 });
    this.#context.createMediaStreamSource(stream).connect(analyser);
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    this.#recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: BITS_PER_SECOND });
    this.#recorder.addEventListener("start", () => this.#watch.start());
    this.#recorder.addEventListener("dataavailable", (event) => event.data.size && this.#chunks.push(event.data));
    this.#recorder.addEventListener("stop", () => this.#end());
    stream.getAudioTracks()[0].addEventListener("ended", () => this.stop());
    const samples = new Float32Array(analyser.fftSize);
    const tick = () => this.#recorder.state === "recording" && onTick(this.#watch.seconds, loudness(analyser, samples));
    this.#ticking = setInterval(tick, TICK_MS);
    this.#recorder.start(1000);
  }

  pause() {
    this.#recorder.pause();
    this.#watch.stop();
  }

  resume() {
    this.#recorder.resume();
    this.#watch.start();
  }

  /** End it; `onEnd` gets the recording. */
  stop() {
    this.#watch.stop();
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
  }

  /** End it and keep nothing. */
  abandon() {
    this.#onEnd = () => {};
    this.stop();
  }

  #end() {
    this.#watch.stop();
    clearInterval(this.#ticking);
    for (const track of this.#stream.getTracks()) track.stop();
    this.#context.close();
    const type = this.#recorder.mimeType;
    const name = `recording.${type.includes("mp4") ? "mp4" : "webm"}`;
    this.#onEnd({ blob: new Blob(this.#chunks, { type }), name, durationS: this.#watch.seconds });
  }
}

/**
 * Starts recording. `onTick(seconds, level)` comes twenty times a second, level from 0 to 1; `onEnd({blob, name, durationS})`
 * once, after stop() or when the microphone goes away. Returns `{pause, resume, stop, abandon}`. Throws a Problem.
 */
export async function record(listeners) {
  return new Recorder(await openMicrophone(), listeners);
}

async function openMicrophone() {
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    throw new Problem("This browser cannot record here. Choose a file instead.", "UNSUPPORTED");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw new Problem(SENTENCES[error.name] ?? "The microphone could not be opened. Choose a file instead.", error.name);
  }
}

function loudness(analyser, samples) {
  analyser.getFloatTimeDomainData(samples);
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return Math.min(1, Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / FLOOR_DB));
}
