/** The list of the learner's recordings, with delete, and the chart made of them. */

import { deleteSession, listSessions } from "./api.js";
import { drawProfile } from "./chart.js";
import { confirmed, QUESTIONS } from "./confirm.js";
import { announce, byId, clock, element, showProblem, when } from "./dom.js";
import { stateOf, STATUS_NAMES } from "./status.js";

const PAGE = 10;
const DAY = { day: "numeric", month: "short" };
// Another browser may be at work; other tabs of this one say so themselves.
const LOOK_EVERY_MS = 10_000;

export class History {
  #given;
  #pages = 1;
  #turn = 0;
  #shown = "";
  #isLookFailing = false;

  /** `onListed(session)` hears of each that is there, `onDeleted(id)` of what is gone, `onProblem(problem)` of what went wrong. */
  constructor(given) {
    this.#given = given;
    byId("more").addEventListener("click", () => {
      this.#pages += 1;
      this.refresh();
    });
    const look = () => document.hidden || byId("workspace").hidden || this.refresh();
    setInterval(look, LOOK_EVERY_MS);
    document.addEventListener("visibilitychange", look);
  }

  /** Show what there is now. */
  async refresh() {
    const turn = ++this.#turn;
    try {
      const { sessions, total } = await this.#list();
      // The list does not say whether a failure is final.
      const failed = await this.#given.library.details(sessions.filter(({ status }) => status === "FAILED"));
      if (turn !== this.#turn) return;
      this.#show(sessions.map((session) => failed.find(({ id }) => id === session.id) ?? session), total);
      sessions.forEach(this.#given.onListed);
      const finished = await this.#given.library.finished();
      if (turn !== this.#turn) return;
      drawProfile(byId("chart"), finished);
      // A deletion that failed stays in view.
      if (this.#isLookFailing) showProblem("history");
      this.#isLookFailing = false;
    } catch (problem) {
      if (turn !== this.#turn) return;
      this.#isLookFailing = true;
      this.#given.onProblem(problem);
    }
  }

  /** Show nothing, and nothing that is still on its way. */
  clear() {
    this.#turn += 1;
    this.#pages = 1;
    this.#shown = "";
    byId("recordings").replaceChildren();
    byId("chart").replaceChildren();
    byId("more").hidden = byId("no-recordings").hidden = byId("teach").hidden = true;
  }

  async #list() {
    const sessions = [];
    let total = 0;
    for (let page = 1; page <= this.#pages; page++) {
      const answer = await listSessions(page, PAGE);
      sessions.push(...answer.sessions);
      total = answer.total;
    }
    return { sessions, total };
  }

  #show(sessions, total) {
    byId("no-recordings").hidden = total > 0;
    byId("teach").hidden = total > 0;
    byId("more").hidden = sessions.length >= total;
    const rows = sessions.map((session) => [session, stateOf(session)]);
    // Whoever is in the list with the keyboard stays there as long as nothing changes.
    const now = JSON.stringify(rows);
    if (now === this.#shown) return;
    this.#shown = now;
    const focused = document.activeElement?.closest("#recordings") && document.activeElement.dataset.key;
    byId("recordings").replaceChildren(...rows.map(([session, state]) => this.#row(session, state)));
    if (focused) focusOn(focused);
  }

  #row(session, state) {
    const title = session.topic || when(session.createdAt);
    const facts = [session.topic && when(session.createdAt, DAY), clock(session.durationSecs ?? 0)].filter(Boolean).join(" · ");
    const button = element("button",
      { type: "button", class: "quiet small", "aria-label": `Delete ${title}`, "data-key": `delete-${session.id}`,
        click: () => this.#delete(session, button) },
      "Delete");
    return element("li", {},
      element("a", { href: `#session=${session.id}`, title, "data-key": `open-${session.id}` }, title),
      element("div", { class: "row" },
        element("span", { class: `badge ${state.toLowerCase()}` }, STATUS_NAMES[state] ?? state),
        element("span", { class: "hint" }, facts), button));
  }

  async #delete(session, button) {
    showProblem("history");
    if (!(await confirmed(QUESTIONS.delete))) return focusOn(button.dataset.key);
    try {
      await deleteSession(session.id);
    } catch (problem) {
      // In another tab it may be gone already.
      if (problem.status !== 404) return this.#given.onProblem(problem);
    }
    byId("history-title").focus();
    announce("Recording deleted");
    this.#given.onDeleted(session.id);
  }
}

// By name, for the list may have been drawn anew.
const focusOn = (key) => byId("recordings").querySelector(`[data-key="${key}"]`)?.focus();
