/** One session: its progress while it is processed, its results afterwards. */

import { getSession } from "./api.js";
import { announce, byId, element, showProblem } from "./dom.js";
import { fillPlayer } from "./playback.js";
import { facts, failure, steps, waiting } from "./progress.js";
import { compared, results } from "./results.js";
import { isFinal, isTooLong, nextLookMs, stateOf, STATUS_NAMES } from "./status.js";

export class SessionView {
  #card = byId("session");
  #parts;
  #given;
  // A token for the session that is open: what was begun for another one is dropped.
  #open;
  #looking;

  /** `onChange()` hears of each new state, `onResend(copy)` sends again, `onProblem(problem)` hears what went wrong. */
  constructor(given) {
    this.#given = given;
    // A hidden tab's timers are slow.
    document.addEventListener("visibilitychange", () => document.hidden || this.#lookNow());
  }

  shows(id) {
    return this.#open?.id === id;
  }

  /** The list has seen this session: look at once if it has moved on, so that both always agree. */
  hear({ id, status }) {
    if (this.shows(id) && this.#open.session && this.#open.session.status !== status) this.#lookNow();
  }

  /** Show nothing, and nothing that is still on its way. */
  close() {
    this.#open = undefined;
    this.#lookNow();
    this.#card.hidden = true;
    this.#card.replaceChildren();
    delete this.#card.dataset.status;
    showProblem("session");
  }

  /** Shows a session by id and watches it to its end; `sent` is what the answer to an upload said of it. */
  async open(id, sent) {
    const token = (this.#open = { id, failures: sent ? new Set() : undefined, changedAt: performance.now() });
    showProblem("session");
    this.#card.replaceChildren();
    this.#parts = undefined;
    if (sent) this.#show(token, sent);
    else await this.#look(token);
    if (this.#open !== token) return;
    byId("session-title")?.focus();
    if (token.session && !isFinal(token.session)) await this.#watch(token);
  }

  async #watch(token) {
    while (!isFinal(token.session)) {
      const elapsed = performance.now() - token.changedAt;
      if (isTooLong(token.session, elapsed)) return this.#offerLook(token);
      await this.#wait(nextLookMs(elapsed));
      if (this.#open === token) await this.#look(token);
      if (this.#open !== token) return;
    }
  }

  #wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#looking = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #lookNow() {
    this.#looking?.();
    this.#looking = undefined;
  }

  async #look(token) {
    try {
      const session = await getSession(token.id);
      if (this.#open !== token) return;
      showProblem("session");
      if (key(session) !== token.key) this.#show(token, session);
    } catch (problem) {
      if (this.#open !== token) return;
      // A failed look is not the end, the next may succeed; unless there is nothing to see.
      if (!token.session || problem.status === 404) this.close();
      this.#given.onProblem(problem);
    }
  }

  #show(token, session) {
    const isFirst = token.key === undefined;
    Object.assign(token, { session, key: key(session), changedAt: performance.now() });
    if (session.status === "FAILED") token.failures?.add(session.updatedAt);
    const state = stateOf(session);
    this.#parts ??= this.#build(session);
    this.#card.hidden = false;
    this.#card.dataset.status = state;
    this.#parts.facts.textContent = facts(session);
    this.#parts.steps.replaceChildren(...steps(session, this.#given.standIn("queue")));
    fillPlayer(this.#parts.player, session, this.#given.copies.get(session.id));
    this.#parts.body.replaceChildren(...this.#body(token, session, state));
    announce(STATUS_NAMES[state] ?? state);
    if (!isFirst) this.#given.onChange();
  }

  #build(session) {
    const parts = { facts: element("p", { class: "hint" }) };
    for (const name of ["steps", "player", "body"]) parts[name] = element("div", { class: "part" });
    const title = session.topic || "Your recording";
    this.#card.replaceChildren(
      element("div", {}, element("h2", { id: "session-title", tabindex: "-1", title }, title), parts.facts),
      parts.steps, parts.player, parts.body);
    return parts;
  }

  #body(token, session, state) {
    if (state === "DONE") {
      this.#compare(token, session);
      return results(session, this.#given.standIn);
    }
    if (state === "WAITING") return waiting(session, token.failures?.size);
    if (state === "FAILED") return failure(session, this.#given.copies.get(session.id), this.#given.onResend);
    return [element("p", { class: "hint" }, "This usually takes less than a minute. You can record the next one meanwhile.")];
  }

  async #compare(token, session) {
    try {
      const before = await this.#given.library.before(session);
      if (this.#open === token) this.#parts.body.append(...compared(session, before));
    } catch (problem) {
      if (this.#open === token) this.#given.onProblem(problem);
    }
  }

  #offerLook(token) {
    const again = element("button", { type: "button", click: () => this.open(token.id) }, "Look again");
    this.#parts.body.append(
      element("p", { class: "warning" }, "This is taking longer than usual. Processing continues without this page. ", again));
    announce("Still processing");
  }
}

// The parts of a long recording change a row without changing its state.
const key = (session) => `${stateOf(session)} ${session.status === "FAILED" ? session.updatedAt : ""}`;
