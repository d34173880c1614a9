/** The page: puts its parts together and follows the address to the session that is open. */

import { call } from "./api.js";
import { Copies } from "./copies.js";
import { announce, byId, element, showProblem } from "./dom.js";
import { History } from "./history.js";
import { Learner } from "./learner.js";
import { Library } from "./library.js";
import { Panel } from "./panel.js";
import { SessionView } from "./session.js";

let standIns = [];
const standIn = (part) => standIns.find((each) => each.part === part)?.label;
// The other tabs of this browser hear of each change.
const tabs = new BroadcastChannel("sessions");

/** Shows a problem in its place, or asks for the name again where the service no longer knows the learner. */
const onProblem = (place) => (problem) => (problem.status === 401 ? learner.expire(problem) : showProblem(place, problem));

const copies = new Copies();
const library = new Library();
const view = new SessionView({
  standIn, copies, library, onProblem: onProblem("session"),
  onChange: () => changed({}),
  onResend: (copy) => panel.resend(copy),
});
const history = new History({ library, onDeleted, onListed: (session) => view.hear(session), onProblem: onProblem("history") });
const panel = new Panel({
  onSent: (session, recording) => {
    copies.put(session.id, recording);
    goTo(session);
    changed({});
  },
  onProblem: onProblem("record"),
});
const learner = new Learner({
  holds: () => panel.holds,
  onEnter: () => {
    history.refresh();
    followAddress();
  },
  onExpired: () => {
    panel.suspend();
    view.close();
    history.clear();
  },
  onForget: () => {
    panel.forget();
    view.close();
    copies.clear();
    library.clear();
    history.clear();
  },
});

function changed(what) {
  tabs.postMessage(what);
  history.refresh();
}

function onDeleted(id) {
  forgetSession(id);
  changed({ deleted: id });
}

function forgetSession(id) {
  if (view.shows(id)) goTo();
  copies.delete(id);
  library.delete(id);
}

/** Opens a session that was just made, or none. The address changes without the event that follows a link. */
function goTo(session) {
  window.history.pushState(null, "", session ? `#session=${session.id}` : location.pathname);
  if (session) view.open(session.id, session);
  else view.close();
}

function followAddress() {
  if (byId("workspace").hidden) return;
  const id = /^#session=(\w+)$/.exec(location.hash)?.[1];
  // Other fragments are places on the page.
  if (id && !view.shows(id)) view.open(id);
  else if (!location.hash) view.close();
}

function hearTab({ data }) {
  if (byId("workspace").hidden) return;
  if (data.deleted) {
    if (view.shows(data.deleted)) announce("This recording was deleted in another tab");
    forgetSession(data.deleted);
  }
  history.refresh();
}

async function showStandIns() {
  ({ standIns } = await call("GET", "/demo/stand-ins"));
  byId("local-tag").hidden = byId("stand-ins").hidden = !standIns.length;
  byId("stand-ins").querySelector("ul").replaceChildren(...standIns.map(({ note }) => element("li", {}, note)));
}

addEventListener("hashchange", followAddress);
addEventListener("popstate", followAddress);
tabs.addEventListener("message", hearTab);
try {
  await showStandIns();
} catch (problem) {
  showProblem("page", problem);
}
learner.start();
