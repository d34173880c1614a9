/** Shows one session: its progress while it is processed, and its results afterwards. */

import { getSession } from "./api.js";
import { announce, byId, element, showError } from "./dom.js";
import { fillPlayer } from "./playback.js";
import { facts, failure, steps, waiting } from "./progress.js";
import { compared, results } from "./results.js";
import { isFinal, isTooLong, pollDelayMs, stateOf, STATUS_NAMES } from "./status.js";

export class SessionView {
  #card = byId("session");
  #parts;
  #options;
  // A token for the open session. Answers that belong to another token are ignored.
  #open;
  #endWait;

  /** Calls `onChange()` on each new state, `onResend(copy)` to send a copy again, and `onError(error)`. */
  constructor(options) {
    this.#options = options;
    // The timers of a hidden tab are slow.
    document.addEventListener("visibilitychange", () => document.hidden || this.#refreshNow());
  }

  shows(id) {
    return this.#open?.id === id;
  }

  /** The list shows this session: refreshes the view if its status is another one, so that both agree. */
  onListed({ id, status }) {
    if (this.shows(id) && this.#open.session && this.#open.session.status !== status) this.#refreshNow();
  }

  /** Closes the session and ignores answers that are still to come. */
  close() {
    this.#open = undefined;
    this.#refreshNow();
    this.#card.hidden = true;
    this.#card.replaceChildren();
    delete this.#card.dataset.status;
    showError("session");
  }

  /** Shows a session and watches it until it is final. `sent` is the session in the answer to an upload. */
  async open(id, sent) {
    const token = (this.#open = { id, failures: sent ? new Set() : undefined, changedAt: performance.now() });
    showError("session");
    this.#card.replaceChildren();
    this.#parts = undefined;
    if (sent) this.#show(token, sent);
    else await this.#refresh(token);
    if (this.#open !== token) return;
    byId("session-title")?.focus();
    if (token.session && !isFinal(token.session)) await this.#watch(token);
  }

  async #watch(token) {
    while (!isFinal(token.session)) {
      const elapsed = performance.now() - token.changedAt;
      if (isTooLong(token.session, elapsed)) return this.#offerRefresh(token);
      await this.#wait(pollDelayMs(elapsed));
      if (this.#open === token) await this.#refresh(token);
      if (this.#open !== token) return;
    }
  }

  #wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Ends the wait between two polls. */
  #refreshNow() {
    this.#endWait?.();
    this.#endWait = undefined;
  }

  async #refresh(token) {
    try {
      const session = await getSession(token.id);
      if (this.#open !== token) return;
      showError("session");
      if (key(session) !== token.key) this.#show(token, session);
    } catch (error) {
      if (this.#open !== token) return;
      // After a failed poll, the next one may succeed. Close the view only if there is nothing to show.
      if (!token.session || error.status === 404) this.close();
      this.#options.onError(error);
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
    this.#parts.steps.replaceChildren(...steps(session, this.#options.standIn("queue")));
    fillPlayer(this.#parts.player, session, this.#options.copies.get(session.id));
    this.#parts.body.replaceChildren(...this.#body(token, session, state));
    announce(STATUS_NAMES[state] ?? state);
    if (!isFirst) this.#options.onChange();
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
      return results(session, this.#options.standIn);
    }
    if (state === "WAITING") return waiting(session, token.failures?.size);
    if (state === "FAILED") return failure(session, this.#options.copies.get(session.id), this.#options.onResend);
    return [element("p", { class: "hint" },
      "This usually takes less than a minute. You can record the next one meanwhile.")];
  }

  async #compare(token, session) {
    try {
      const before = await this.#options.cache.before(session);
      if (this.#open === token) this.#parts.body.append(...compared(session, before));
    } catch (error) {
      if (this.#open === token) this.#options.onError(error);
    }
  }

  #offerRefresh(token) {
    const button = element("button", { type: "button", click: () => this.open(token.id) }, "Refresh");
    const text = "This is taking longer than usual. Processing continues without this page. ";
    this.#parts.body.append(element("p", { class: "warning" }, text, button));
    announce("Still processing");
  }
}

// While a long recording is processed, updatedAt changes but the state does not. Only a new failure counts as a change.
const key = (session) => `${stateOf(session)} ${session.status === "FAILED" ? session.updatedAt : ""}`;
