/** The list of the learner's recordings, with delete, and the profile made of them. */

import { deleteSession, getSession, listSessions } from "./api.js";
import { drawChart } from "./chart.js";
import { announce, byId, clock, element, when } from "./dom.js";
import { profileOverTime } from "./profile.js";
import { STATUS_NAMES } from "./status.js";

const PAGE = 10;
// As many as one request gives: the chart covers this many recordings.
const IN_CHART = 50;
const AT_ONCE = 4;

/** Wires the list; `onDeleted(id)` hears what is gone, `onProblem(problem)` what went wrong. */
export function createHistory({ onDeleted, onProblem }) {
  const finished = new Map();
  let pages = 1;
  let wave = 0;

  const refresh = async () => {
    const mine = ++wave;
    try {
      const shown = [];
      let total = 0;
      for (let page = 1; page <= pages; page++) {
        const answer = await listSessions(page, PAGE);
        shown.push(...answer.sessions);
        total = answer.total;
      }
      if (mine !== wave) return;
      byId("recordings").replaceChildren(...shown.map((session) => entry(session, remove)));
      byId("no-recordings").hidden = total > 0;
      byId("more").hidden = shown.length >= total;
      await refreshChart(finished, () => mine === wave);
    } catch (problem) {
      if (mine === wave) onProblem(problem);
    }
  };

  const remove = async (session, button) => {
    if (!(await confirmed())) return button.focus();
    try {
      await deleteSession(session.id);
    } catch (problem) {
      return onProblem(problem);
    }
    finished.delete(session.id);
    byId("history-title").focus();
    announce("Recording deleted");
    onDeleted(session.id);
    await refresh();
  };

  byId("more").addEventListener("click", () => {
    pages += 1;
    refresh();
  });
  const clear = () => {
    wave += 1;
    pages = 1;
    finished.clear();
    byId("recordings").replaceChildren();
  };
  return { refresh, clear };
}

function entry(session, remove) {
  const title = session.topic || when(session.createdAt);
  const facts = [session.topic && when(session.createdAt), clock(session.durationSecs ?? 0)].filter(Boolean).join(" · ");
  const button = element(
    "button",
    { type: "button", class: "quiet small", "aria-label": `Delete ${title}`, click: () => remove(session, button) },
    "Delete",
  );
  return element("li", {},
    element("div", {}, element("a", { href: `#session=${session.id}` }, title), element("p", { class: "hint" }, facts)),
    element("span", { class: `badge ${session.status.toLowerCase()}` }, STATUS_NAMES[session.status] ?? session.status),
    button);
}

async function refreshChart(finished, isCurrent) {
  const { sessions } = await listSessions(1, IN_CHART);
  const wanted = sessions.filter(({ id, status }) => status === "DONE" && !finished.has(id));
  const fetchNext = async () => {
    for (let next = wanted.pop(); next && isCurrent(); next = wanted.pop()) finished.set(next.id, await getSession(next.id));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, fetchNext));
  if (!isCurrent()) return;
  const profile = profileOverTime(sessions.flatMap(({ id }) => finished.get(id) ?? []));
  if (profile.series.length) drawChart(byId("chart"), profile);
  else byId("chart").replaceChildren(element("p", { class: "hint" }, "Appears with your first finished recording."));
}

function confirmed() {
  const dialog = byId("confirm");
  return new Promise((resolve) => {
    const decide = (event) => {
      dialog.removeEventListener("close", decide);
      resolve(dialog.returnValue === "yes");
      event.stopPropagation();
    };
    dialog.returnValue = "";
    dialog.addEventListener("close", decide);
    byId("confirm-yes").onclick = () => dialog.close("yes");
    byId("confirm-no").onclick = () => dialog.close("no");
    dialog.showModal();
    byId("confirm-no").focus();
  });
}
