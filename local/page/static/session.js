/** One session: its progress while it is worked on, its results afterwards. */

import { getSession } from "./api.js";
import { announce, byId, clock, element, problemBox, when } from "./dom.js";
import { results } from "./results.js";
import { isFinal, STATUS_NAMES, STEPS, WAITS_MS } from "./status.js";

/** Wires the view; `onFinal()` hears when a watched session ends, `onProblem(problem)` what went wrong. */
export function createSessionView({ standIn, onFinal, onProblem }) {
  const card = byId("session");
  let current;

  const close = () => {
    current = undefined;
    card.hidden = true;
    card.replaceChildren();
  };

  const show = (session) => {
    card.hidden = false;
    card.dataset.status = session.status;
    card.replaceChildren(heading(session), steps(session, standIn("queue")), ...outcome(session, standIn));
    announce(STATUS_NAMES[session.status] ?? session.status);
  };

  /** Shows a session by id; `known` is what is known of it already, as after an upload. Watches it to its end. */
  const open = async (id, known) => {
    const token = (current = { id });
    let shown = known;
    if (known) show(known);
    else shown = await look(token);
    if (current !== token) return;
    byId("session-title")?.focus();
    if (shown && !isFinal(shown.status)) await watch(token, shown);
  };

  const look = async (token, before) => {
    try {
      const session = await getSession(token.id);
      if (current !== token) return undefined;
      if (session.status !== before?.status) show(session);
      return session;
    } catch (problem) {
      if (current !== token) return undefined;
      onProblem(problem);
      // A failed look is not the end: the next may succeed, unless the service says that there is nothing to see.
      if (!before || problem.status === 404 || problem.status === 401) close();
      return before;
    }
  };

  const watch = async (token, session) => {
    for (const wait of WAITS_MS) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      if (current !== token) return;
      session = await look(token, session);
      if (current !== token || !session) return;
      if (isFinal(session.status)) return onFinal();
    }
    const again = element("button", { type: "button", click: () => open(token.id) }, "Look again");
    card.append(element("p", { class: "warning" }, "This takes longer than usual. It goes on without this page. ", again));
    announce("Still working");
  };

  return { open, close, shows: (id) => current?.id === id };
}

function heading(session) {
  const facts = [session.durationSecs ? clock(session.durationSecs) : undefined, session.transcript && `${session.transcript.wordCount} words`];
  return element("div", {},
    element("h2", { id: "session-title", tabindex: "-1" }, session.topic || "Your recording"),
    element("p", { class: "hint" }, [when(session.createdAt), ...facts].filter(Boolean).join(" · ")));
}

function steps(session, standIn) {
  const at = STEPS.indexOf(session.status);
  const failed = session.status === "FAILED";
  return element("div", {},
    element("ol", { class: failed ? "steps failed" : "steps", "aria-label": "Progress" },
      STEPS.map((step, index) => {
        const state = index < at || session.status === "DONE" ? "past" : index === at ? "now" : "next";
        return element("li", { class: state, "aria-current": index === at && "step", "data-step": step }, STATUS_NAMES[step],
          element("span", { class: "visually-hidden" }, { past: " (finished)", now: " (now)", next: "" }[state]));
      })),
    !isFinal(session.status) && standIn && element("p", { class: "stand-in" }, standIn));
}

function outcome(session, standIn) {
  if (session.status === "DONE") return results(session, standIn);
  if (session.status !== "FAILED") return [element("p", { class: "hint" }, "Usually under a minute. You can record the next one meanwhile.")];
  return [problemBox({ message: session.errorMessage ?? "The recording could not be processed", code: "FAILED" })];
}
