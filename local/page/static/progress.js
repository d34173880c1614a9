/** Shows a session's progress, and after a failure whether to wait for the next attempt or to send it again. */

import { wordsPerMinute } from "./compare.js";
import { clock, element, sentence, when } from "./dom.js";
import {
  ATTEMPTS, duration, failedStep, isFinal, RETRY_AFTER_S, saysRetry, stateOf, STATUS_NAMES, STEPS,
} from "./status.js";

// For screen readers.
const STEP_NOTES = {
  past: " (finished)", now: " (now)", failed: " (failed)", waiting: " (will be tried again)", next: "",
};

/** Returns date, length, words and pace, as far as they are known. */
export function facts(session) {
  const { createdAt, durationSecs, transcript } = session;
  const pace = wordsPerMinute(session);
  return [
    when(createdAt), durationSecs && clock(durationSecs),
    transcript && `${transcript.wordCount} words`, pace && `${pace} words per minute`,
  ].filter(Boolean).join(" · ");
}

/** Creates the four steps. For a failed session, they show where it stopped. */
export function steps(session, standIn) {
  const state = stateOf(session);
  const isStopped = session.status === "FAILED";
  const at = STEPS.indexOf(isStopped ? failedStep(session) : session.status);
  const here = { WAITING: "waiting", FAILED: "failed" }[state] ?? "now";
  const list = STEPS.map((step, index) => {
    const mark = index < at || state === "DONE" ? "past" : index === at ? here : "next";
    return element("li", { class: mark, "aria-current": mark === "now" && "step", "data-step": step },
      STATUS_NAMES[step],
      element("span", { class: "visually-hidden" }, STEP_NOTES[mark]));
  });
  return [
    element("ol", { class: "steps", "aria-label": "Progress" }, list),
    !isFinal(session) && standIn && element("p", {}, element("span", { class: "stand-in" }, standIn)),
  ].filter(Boolean);
}

/**
 * Shows a failure that will be retried. `failures` is the number of failures since the upload, undefined if this tab
 * has not seen them all.
 */
export function waiting(session, failures) {
  const next = element("p", {});
  const delayS = RETRY_AFTER_S[failures - 1];
  const dueAt = Date.now() + 1000 * delayS;
  const tick = () => {
    const leftS = Math.ceil((dueAt - Date.now()) / 1000);
    const soon = leftS > 0 ? `in about ${duration(leftS)}` : "any moment now";
    next.textContent = `Trying again ${soon}, attempt ${failures + 1} of ${ATTEMPTS}.`;
  };
  if (delayS) {
    tick();
    // The countdown ends when the element is removed.
    const ticking = setInterval(() => (next.isConnected ? tick() : clearInterval(ticking)), 1000);
  } else if (failures >= ATTEMPTS) {
    next.textContent = `This was attempt ${ATTEMPTS} of ${ATTEMPTS}. Waiting for the service to report the outcome.`;
  } else {
    const waits = RETRY_AFTER_S.map((seconds) => duration(seconds)).join(", ");
    next.textContent = `After each failed attempt the wait is longer: about ${waits}.`;
  }
  return [element("div", { class: "warning" }, element("p", {}, where(session), sentence(session.errorMessage)), next)];
}

/**
 * Shows a final failure and how to try again. `copy` is this tab's copy, if it has one. `onResend(copy)` returns false
 * if the panel is in use.
 */
export function failure(session, copy, onResend) {
  const busy = element("p", { role: "status" });
  const resend = () => {
    if (!onResend(copy)) busy.textContent = "Send or discard the other recording first.";
  };
  return [
    element("div", { class: "problem" },
      element("p", {}, where(session), sentence(session.errorMessage ?? "The recording could not be processed")),
      saysRetry(session) && element("p", {}, `Nothing has happened since ${when(session.updatedAt)}.`)),
    copy
      ? element("div", { class: "row" },
          element("button", { type: "button", class: "primary", click: resend }, "Send it again"), busy)
      : element("p", { class: "hint" },
          "This tab no longer has the recording. To try again, record it or choose the file above."),
  ];
}

const where = (session) => element("strong", {}, `Failed while ${STATUS_NAMES[failedStep(session)].toLowerCase()}. `);
