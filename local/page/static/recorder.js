/** Records from the microphone and measures the level. */

import { UserError } from "./api.js";

// Chrome and Firefox support the first type, Safari the second.
const TYPES = ["audio/webm;codecs=opus", "audio/mp4"];
const BITS_PER_SECOND = 64_000;
const TICK_MS = 50;
// The level of silence, in decibels relative to full scale.
const FLOOR_DB = -60;

const MESSAGES = {
  NotAllowedError: "The microphone is blocked. Allow it in the address bar, or choose a file instead.",
  NotFoundError: "No microphone was found. Plug one in, or choose a file instead.",
  NotReadableError: "The microphone is in use by another program.",
};

/** Measures seconds, without the pauses. */
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

/** A recording in progress. */
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
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    this.#recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: BITS_PER_SECOND });
    this.#recorder.addEventListener("start", () => this.#watch.start());
    this.#recorder.addEventListener("dataavailable", (event) => event.data.size && this.#chunks.push(event.data));
    this.#recorder.addEventListener("stop", () => this.#end());
    stream.getAudioTracks()[0].addEventListener("ended", () => this.stop());
    const samples = new Float32Array(analyser.fftSize);
    const tick = () => this.#recorder.state === "recording" && onTick(this.#watch.seconds, level(analyser, samples));
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

  /** Ends the recording and passes it to `onEnd`. */
  stop() {
    this.#watch.stop();
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
  }

  /** Ends the recording and discards it. */
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
 * Starts recording and returns `{pause, resume, stop, abandon}`. Throws a UserError.
 * Calls `onTick(seconds, level)` twenty times a second, with a level from 0 to 1, and `onEnd({blob, name, durationS})`
 * once, after stop() or when the microphone is disconnected.
 */
export async function record(listeners) {
  return new Recorder(await openMicrophone(), listeners);
}

async function openMicrophone() {
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    throw new UserError("This browser cannot record here. Choose a file instead.", "UNSUPPORTED");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    const message = MESSAGES[error.name] ?? "The microphone could not be opened. Choose a file instead.";
    throw new UserError(message, error.name);
  }
}

function level(analyser, samples) {
  analyser.getFloatTimeDomainData(samples);
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return Math.min(1, Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / FLOOR_DB));
}
