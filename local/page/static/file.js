/** A chosen file as the service wants it: an audio type, a size it takes, and a duration. */

import { Problem } from "./api.js";

// Browsers call a recording in WebM or MP4 a video, and m4a by a name of their own; the service asks for audio/….
const TYPES = {
  webm: "audio/webm", mp4: "audio/mp4", m4a: "audio/mp4", mp3: "audio/mpeg", ogg: "audio/ogg", oga: "audio/ogg",
  wav: "audio/wav", flac: "audio/flac",
};
const MIB = 1024 * 1024;
const MAX_MIB = 50;
const PATIENCE_MS = 5000;
// Further than any recording goes: a browser that is sent there finds the end, and with it the length.
const FAR_S = 1e9;

/** `{blob, name, durationS}`; the duration is 0 where this browser cannot tell. Throws a Problem for what would be refused. */
export async function fromFile(file) {
  const extension = file.name.split(".").pop().toLowerCase();
  const type = TYPES[extension] ?? file.type;
  if (!type.startsWith("audio/")) {
    throw new Problem(`${file.name} is not an audio file. Choose a recording such as .webm, .m4a, .mp3, .ogg, .wav or .flac.`, "NOT_AUDIO");
  }
  if (!file.size) throw new Problem(`${file.name} is empty.`, "EMPTY");
  if (file.size > MAX_MIB * MIB) {
    // Rounded up, so that one byte too many does not read as 50.0.
    const size = (Math.ceil((file.size / MIB) * 10) / 10).toFixed(1);
    throw new Problem(`${file.name} has ${size} MB. The limit is ${MAX_MIB} MB: choose a shorter or more compressed recording.`, "TOO_LARGE");
  }
  const blob = file.slice(0, file.size, type);
  return { blob, name: file.name, durationS: await duration(blob) };
}

function duration(blob) {
  const url = URL.createObjectURL(blob);
  const audio = new Audio();
  return new Promise((resolve) => {
    const settle = () => {
      // A streamed recording has no length in its header.
      if (audio.duration === Infinity) audio.currentTime = FAR_S;
      else if (audio.duration >= 0) resolve(audio.duration);
    };
    audio.addEventListener("loadedmetadata", settle);
    audio.addEventListener("durationchange", settle);
    audio.addEventListener("error", () => resolve(0));
    setTimeout(() => resolve(0), PATIENCE_MS);
    audio.preload = "metadata";
    audio.src = url;
  }).finally(() => {
    audio.removeAttribute("src");
    URL.revokeObjectURL(url);
  });
}
