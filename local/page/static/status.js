/** A session's states, how the page polls for them, and the rule by which a failure is not the end. No DOM. */

export const STEPS = ["UPLOADED", "TRANSCRIBING", "ANALYZING", "DONE"];
export const STATUS_NAMES = {
  CREATED: "Created", UPLOADED: "Uploaded", TRANSCRIBING: "Transcribing", ANALYZING: "Analyzing", DONE: "Done", FAILED: "Failed",
  WAITING: "Retrying",
};

// The rule for every client (docs/page.md): this phrase in errorMessage means that FAILED is not final.
const RETRY_PHRASE = "tried again automatically";
/** The service publishes with three retries. */
export const ATTEMPTS = 4;
/** QStash's default back-off before each retry, in seconds: https://upstash.com/docs/qstash/features/retry */
export const RETRY_AFTER_S = [12, 148, 1808];
// The longest wait and a long recording's processing; after that the learner decides.
const PATIENCE_MS = 45 * 60_000;

/** The session's status; WAITING for one that is FAILED but will be tried again. `now` is in milliseconds. */
export function stateOf(session, now = Date.now()) {
  return saysRetry(session) && now - Date.parse(session.updatedAt) < PATIENCE_MS ? "WAITING" : session.status;
}

/** Whether an automatic retry was announced, however long ago. */
export const saysRetry = ({ status, errorMessage }) => status === "FAILED" && Boolean(errorMessage?.includes(RETRY_PHRASE));

export const isFinal = (session) => ["DONE", "FAILED"].includes(stateOf(session));

/** The step at which a FAILED session stopped: the transcript is stored before the analysis begins. */
export const failedStep = (session) => (session.transcript ? "ANALYZING" : "TRANSCRIBING");

/** Milliseconds until the next look at a session that has been in its state for so long: 3 s at first, then 10 s. */
export const nextLookMs = (elapsedMs) => (elapsedMs < 30_000 ? 3000 : 10_000);

/** Whether to stop looking: after five and a half minutes without a change, as the frontend does, but not while a retry is due. */
export const isTooLong = (session, elapsedMs) => stateOf(session) !== "WAITING" && elapsedMs > 330_000;

/** 148 as "2 min 28 s". */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const parts = [whole >= 60 && `${Math.floor(whole / 60)} min`, (whole % 60 || !whole) && `${whole % 60} s`];
  return parts.filter(Boolean).join(" ");
}
