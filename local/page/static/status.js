/** A session's states, how often the page polls, and the rule that tells whether a failure is final. No DOM. */

export const STEPS = ["UPLOADED", "TRANSCRIBING", "ANALYZING", "DONE"];
export const STATUS_NAMES = {
  CREATED: "Created", UPLOADED: "Uploaded", TRANSCRIBING: "Transcribing", ANALYZING: "Analyzing", DONE: "Done",
  FAILED: "Failed", WAITING: "Retrying",
};

// The rule for every client (docs/page.md): this phrase in errorMessage means that FAILED is not final.
const RETRY_PHRASE = "tried again automatically";
/** The service publishes with three retries. */
export const ATTEMPTS = 4;
/** QStash's default back-off before each retry, in seconds: https://upstash.com/docs/qstash/features/retry */
export const RETRY_AFTER_S = [12, 148, 1808];
// The longest wait for a retry, plus the processing of a long recording. After that, the learner decides.
const MAX_RETRY_WAIT_MS = 45 * 60_000;

/** Returns the session's status, or WAITING if it is FAILED but will be retried. `now` is in milliseconds. */
export function stateOf(session, now = Date.now()) {
  return saysRetry(session) && now - Date.parse(session.updatedAt) < MAX_RETRY_WAIT_MS ? "WAITING" : session.status;
}

/** Whether the error message announces an automatic retry, no matter how long ago. */
export const saysRetry = ({ status, errorMessage }) =>
  status === "FAILED" && Boolean(errorMessage?.includes(RETRY_PHRASE));

export const isFinal = (session) => ["DONE", "FAILED"].includes(stateOf(session));

/** The step that failed. The transcript is stored before the analysis begins, so it shows which one it was. */
export const failedStep = (session) => (session.transcript ? "ANALYZING" : "TRANSCRIBING");

/** Milliseconds until the next poll, by the time since the last change: 3 s at first, then 10 s. */
export const pollDelayMs = (elapsedMs) => (elapsedMs < 30_000 ? 3000 : 10_000);

/**
 * Whether to stop polling: after five and a half minutes without a change, as the frontend does, but not while a retry
 * is due.
 */
export const isTooLong = (session, elapsedMs) => stateOf(session) !== "WAITING" && elapsedMs > 330_000;

/** Formats 148 as "2 min 28 s". */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const parts = [whole >= 60 && `${Math.floor(whole / 60)} min`, (whole % 60 || !whole) && `${whole % 60} s`];
  return parts.filter(Boolean).join(" ");
}
