/** A chosen file as the service wants it: an audio type and a duration. */

// Browsers call a recording in WebM or MP4 a video, and m4a by a name of their own; the service asks for audio/….
const TYPES = {
  webm: "audio/webm", mp4: "audio/mp4", m4a: "audio/mp4", mp3: "audio/mpeg", ogg: "audio/ogg", oga: "audio/ogg",
  wav: "audio/wav", flac: "audio/flac",
};
const PATIENCE_MS = 5000;
// Further than any recording goes: a browser that is sent there finds the end, and with it the length.
const FAR_S = 1e9;

/** `{blob, name, durationS}`; the duration is 0 where this browser cannot tell. What is no audio is for the service to refuse. */
export async function fromFile(file) {
  const extension = file.name.split(".").pop().toLowerCase();
  const blob = file.slice(0, file.size, TYPES[extension] ?? file.type);
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
