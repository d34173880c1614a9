/** The list of the learner's recordings, with buttons to delete them, and the chart. */

import { deleteSession, listSessions } from "./api.js";
import { drawProfile } from "./chart.js";
import { confirmed, QUESTIONS } from "./confirm.js";
import { announce, byId, clock, element, showError, when } from "./dom.js";
import { stateOf, STATUS_NAMES } from "./status.js";

const PAGE_SIZE = 10;
const DAY = { day: "numeric", month: "short" };
// Another browser may change the list. Other tabs of this browser send a message when they do.
const REFRESH_EVERY_MS = 10_000;

export class RecordingList {
  #options;
  #pages = 1;
  #turn = 0;
  #shown = "";
  #hasRefreshFailed = false;

  /** Calls `onListed(session)` for each listed session, `onDeleted(id)` after a deletion, and `onError(error)`. */
  constructor(options) {
    this.#options = options;
    byId("more").addEventListener("click", () => {
      this.#pages += 1;
      this.refresh();
    });
    const refreshIfVisible = () => document.hidden || byId("workspace").hidden || this.refresh();
    setInterval(refreshIfVisible, REFRESH_EVERY_MS);
    document.addEventListener("visibilitychange", refreshIfVisible);
  }

  /** Fetches the recordings and shows them. */
  async refresh() {
    const turn = ++this.#turn;
    try {
      const { sessions, total } = await this.#list();
      // The list endpoint does not tell whether a failure is final.
      const failed = await this.#options.cache.details(sessions.filter(({ status }) => status === "FAILED"));
      if (turn !== this.#turn) return;
      this.#show(sessions.map((session) => failed.find(({ id }) => id === session.id) ?? session), total);
      sessions.forEach(this.#options.onListed);
      const finished = await this.#options.cache.finished();
      if (turn !== this.#turn) return;
      drawProfile(byId("chart"), finished);
      // Remove only the error of a failed refresh, not that of a failed deletion.
      if (this.#hasRefreshFailed) showError("history");
      this.#hasRefreshFailed = false;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#hasRefreshFailed = true;
      this.#options.onError(error);
    }
  }

  /** Clears the list and ignores answers that are still to come. */
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
      const answer = await listSessions(page, PAGE_SIZE);
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
    // Redraw only on a change, to keep the keyboard focus.
    const now = JSON.stringify(rows);
    if (now === this.#shown) return;
    this.#shown = now;
    const focused = document.activeElement?.closest("#recordings") && document.activeElement.dataset.key;
    byId("recordings").replaceChildren(...rows.map(([session, state]) => this.#row(session, state)));
    if (focused) focusOn(focused);
  }

  #row(session, state) {
    const title = session.topic || when(session.createdAt);
    const facts = [session.topic && when(session.createdAt, DAY), clock(session.durationSecs ?? 0)];
    const button = element("button",
      { type: "button", class: "quiet small", "aria-label": `Delete ${title}`, "data-key": `delete-${session.id}`,
        click: () => this.#delete(session, button) },
      "Delete");
    return element("li", {},
      element("a", { href: `#session=${session.id}`, title, "data-key": `open-${session.id}` }, title),
      element("div", { class: "row" },
        element("span", { class: `badge ${state.toLowerCase()}` }, STATUS_NAMES[state] ?? state),
        element("span", { class: "hint" }, facts.filter(Boolean).join(" · ")), button));
  }

  async #delete(session, button) {
    showError("history");
    if (!(await confirmed(QUESTIONS.delete))) return focusOn(button.dataset.key);
    try {
      await deleteSession(session.id);
    } catch (error) {
      // Another tab may have deleted it already.
      if (error.status !== 404) return this.#options.onError(error);
    }
    byId("history-title").focus();
    announce("Recording deleted");
    this.#options.onDeleted(session.id);
  }
}

// Finds the element by its key, because the list may have been redrawn.
const focusOn = (key) => byId("recordings").querySelector(`[data-key="${key}"]`)?.focus();
