/** Prepares a chosen file for the service: audio type, size limit and duration. */

import { UserError } from "./api.js";

// Browsers report WebM and MP4 as video, and differ for m4a, but the service requires audio/….
const TYPES = {
  webm: "audio/webm", mp4: "audio/mp4", m4a: "audio/mp4", mp3: "audio/mpeg", ogg: "audio/ogg", oga: "audio/ogg",
  wav: "audio/wav", flac: "audio/flac",
};
const MIB = 1024 * 1024;
const MAX_MIB = 50;
const DURATION_TIMEOUT_MS = 5000;
// A time after the end of any recording. Seeking to it makes the browser find the end, and so the duration.
const FAR_S = 1e9;

/**
 * Returns `{blob, name, durationS}`; the duration is 0 if this browser cannot determine it.
 * Throws a UserError for a file that the service would reject.
 */
export async function fromFile(file) {
  const extension = file.name.split(".").pop().toLowerCase();
  const type = TYPES[extension] ?? file.type;
  if (!type.startsWith("audio/")) {
    const kinds = ".webm, .m4a, .mp3, .ogg, .wav or .flac";
    throw new UserError(`${file.name} is not an audio file. Choose a recording such as ${kinds}.`, "NOT_AUDIO");
  }
  if (!file.size) throw new UserError(`${file.name} is empty.`, "EMPTY");
  if (file.size > MAX_MIB * MIB) {
    // Rounded up, so that one byte too many is not shown as 50.0.
    const size = (Math.ceil((file.size / MIB) * 10) / 10).toFixed(1);
    const limit = `The limit is ${MAX_MIB} MB: choose a shorter or more compressed recording.`;
    throw new UserError(`${file.name} has ${size} MB. ${limit}`, "TOO_LARGE");
  }
  const blob = file.slice(0, file.size, type);
  return { blob, name: file.name, durationS: await duration(blob) };
}

function duration(blob) {
  const url = URL.createObjectURL(blob);
  const audio = new Audio();
  return new Promise((resolve) => {
    const settle = () => {
      // The header of a streamed recording has no duration.
      if (audio.duration === Infinity) audio.currentTime = FAR_S;
      else if (audio.duration >= 0) resolve(audio.duration);
    };
    audio.addEventListener("loadedmetadata", settle);
    audio.addEventListener("durationchange", settle);
    audio.addEventListener("error", () => resolve(0));
    setTimeout(() => resolve(0), DURATION_TIMEOUT_MS);
    audio.preload = "metadata";
    audio.src = url;
  }).finally(() => {
    audio.removeAttribute("src");
    URL.revokeObjectURL(url);
  });
}
