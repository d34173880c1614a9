/** The page: connects its parts and opens the session that the address names. */

import { call } from "./api.js";
import { SessionCache } from "./cache.js";
import { Copies } from "./copies.js";
import { announce, byId, element, showError } from "./dom.js";
import { Learner } from "./learner.js";
import { Panel } from "./panel.js";
import { RecordingList } from "./recordings.js";
import { SessionView } from "./session.js";

let standIns = [];
const standIn = (part) => standIns.find((each) => each.part === part)?.label;
// Tells the other tabs of this browser about each change.
const tabs = new BroadcastChannel("sessions");

/** Shows an error in its place, or asks the learner to sign in again if the sign-in has expired. */
const onError = (place) => (error) => (error.status === 401 ? learner.expire(error) : showError(place, error));

const copies = new Copies();
const cache = new SessionCache();
const view = new SessionView({
  standIn, copies, cache, onError: onError("session"),
  onChange: () => refreshAll({}),
  onResend: (copy) => panel.resend(copy),
});
const recordings = new RecordingList({
  cache, onDeleted, onListed: (session) => view.onListed(session), onError: onError("history"),
});
const panel = new Panel({
  onSent: (session, recording) => {
    copies.put(session.id, recording);
    goTo(session);
    refreshAll({});
  },
  onError: onError("record"),
});
const learner = new Learner({
  hasUnsent: () => panel.hasUnsent,
  onEnter: () => {
    recordings.refresh();
    openFromAddress();
  },
  onExpired: () => {
    panel.suspend();
    view.close();
    recordings.clear();
  },
  onForget: () => {
    panel.forget();
    view.close();
    copies.clear();
    cache.clear();
    recordings.clear();
  },
});

/** Refreshes the list in this tab and sends `message` to the other tabs, which then refresh theirs. */
function refreshAll(message) {
  tabs.postMessage(message);
  recordings.refresh();
}

function onDeleted(id) {
  forgetSession(id);
  refreshAll({ deleted: id });
}

function forgetSession(id) {
  if (view.shows(id)) goTo();
  copies.delete(id);
  cache.delete(id);
}

/** Opens a session that was just created, or closes the open one. pushState triggers no hashchange event. */
function goTo(session) {
  history.pushState(null, "", session ? `#session=${session.id}` : location.pathname);
  if (session) view.open(session.id, session);
  else view.close();
}

function openFromAddress() {
  if (byId("workspace").hidden) return;
  const id = /^#session=(\w+)$/.exec(location.hash)?.[1];
  // Other fragments are links within the page.
  if (id && !view.shows(id)) view.open(id);
  else if (!location.hash) view.close();
}

function onTabMessage({ data }) {
  if (byId("workspace").hidden) return;
  if (data.deleted) {
    if (view.shows(data.deleted)) announce("This recording was deleted in another tab");
    forgetSession(data.deleted);
  }
  recordings.refresh();
}

async function showStandIns() {
  ({ standIns } = await call("GET", "/demo/stand-ins"));
  byId("local-tag").hidden = byId("stand-ins").hidden = !standIns.length;
  byId("stand-ins").querySelector("ul").replaceChildren(...standIns.map(({ note }) => element("li", {}, note)));
}

addEventListener("hashchange", openFromAddress);
addEventListener("popstate", openFromAddress);
tabs.addEventListener("message", onTabMessage);
try {
  await showStandIns();
} catch (error) {
  showError("page", error);
}
learner.start();
