/** The sample recording; how it was made: docs/page.md. */

import { Problem } from "./api.js";

export const SAMPLE_TOPIC = "Sample: a weekend in the mountains";
export const SAMPLE_NOTE = "A computer voice reads a learner's story, typical mistakes included.";

/** The sample as a file. Throws a Problem. */
export async function fetchSample() {
  try {
    const response = await fetch("sample.ogg");
    if (!response.ok) throw new TypeError(`HTTP ${response.status}`);
    return new File([await response.blob()], "sample.ogg", { type: "audio/ogg" });
  } catch {
    throw new Problem("The sample could not be loaded. Try again in a moment.", "SAMPLE");
  }
}
