/** Records the microphone, and tells how loud it is. */

import { Problem } from "./api.js";

// Chrome and Firefox write the first, Safari the second.
const KINDS = ["audio/webm;codecs=opus", "audio/mp4"];
const BITS_PER_SECOND = 64_000;
const TICK_MS = 50;
// What counts as silence, in decibels below full scale.
const FLOOR_DB = -60;

const SENTENCES = {
  NotAllowedError: "The microphone is blocked: allow it in the address bar, or choose a file instead",
  NotFoundError: "No microphone was found: plug one in, or choose a file instead",
  NotReadableError: "The microphone is in use by another program",
};

/**
 * Starts recording. `onTick(seconds, level)` comes twenty times a second, level from 0 to 1; `onEnd({blob, name, durationS})`
 * once, after stop() or when the microphone goes away. Returns stop. Throws a Problem.
 */
export async function record({ onTick, onEnd }) {
  const stream = await openMicrophone();
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 2048 });
  context.createMediaStreamSource(stream).connect(analyser);
  const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
  const recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: BITS_PER_SECOND });
  const chunks = [];
  let startedAt = performance.now();
  recorder.addEventListener("start", () => (startedAt = performance.now()));
  recorder.addEventListener("dataavailable", (event) => event.data.size && chunks.push(event.data));
  const seconds = () => (performance.now() - startedAt) / 1000;
  const samples = new Float32Array(analyser.fftSize);
  const ticking = setInterval(() => onTick(seconds(), loudness(analyser, samples)), TICK_MS);
  let durationS = 0;
  const stop = () => {
    durationS ||= seconds();
    if (recorder.state !== "inactive") recorder.stop();
  };
  recorder.addEventListener("stop", () => {
    durationS ||= seconds();
    clearInterval(ticking);
    stream.getTracks().forEach((track) => track.stop());
    context.close();
    const type = recorder.mimeType || mimeType;
    onEnd({ blob: new Blob(chunks, { type }), name: `recording.${type.includes("mp4") ? "mp4" : "webm"}`, durationS });
  });
  stream.getAudioTracks()[0].addEventListener("ended", stop);
  recorder.start(1000);
  return stop;
}

async function openMicrophone() {
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    throw new Problem("This browser cannot record here: choose a file instead", "UNSUPPORTED");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw new Problem(SENTENCES[error.name] ?? "The microphone could not be opened", error.name);
  }
}

function loudness(analyser, samples) {
  analyser.getFloatTimeDomainData(samples);
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return Math.min(1, Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / FLOOR_DB));
}
