/** The sample recording. docs/page.md describes how it was made. */

import { UserError } from "./api.js";

export const SAMPLE_TOPIC = "Sample: a weekend in the mountains";
export const SAMPLE_NOTE = "A computer voice reads a learner's story, typical mistakes included.";

/** Fetches the sample as a file. Throws a UserError. */
export async function fetchSample() {
  try {
    const response = await fetch("sample.ogg");
    if (!response.ok) throw new TypeError(`HTTP ${response.status}`);
    return new File([await response.blob()], "sample.ogg", { type: "audio/ogg" });
  } catch {
    throw new UserError("The sample could not be loaded. Try again in a moment.", "SAMPLE");
  }
}
