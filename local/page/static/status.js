/** A session's states, and how the frontend polls for them. */

export const STEPS = ["UPLOADED", "TRANSCRIBING", "ANALYZING", "DONE"];
export const STATUS_NAMES = {
  CREATED: "Created", UPLOADED: "Uploaded", TRANSCRIBING: "Transcribing", ANALYZING: "Analyzing", DONE: "Done", FAILED: "Failed",
};

export const isFinal = (status) => status === "DONE" || status === "FAILED";

/** The frontend's waits before each look, in milliseconds: every 3 s for 30 s, then every 10 s for 5 minutes. */
export const WAITS_MS = [...Array(10).fill(3000), ...Array(30).fill(10_000)];
