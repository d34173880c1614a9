/** The page: signing in and out, and which session is open. */

import { call } from "./api.js";
import { announce, byId, element, showProblem } from "./dom.js";
import { createHistory } from "./history.js";
import { createPanel } from "./panel.js";
import { createSessionView } from "./session.js";

// The cookie is out of a script's reach, so the name that is shown is kept here.
const NAME_KEY = "learner";

let standIns = [];
const standIn = (part) => standIns.find((each) => each.part === part)?.label;

function onProblem(problem) {
  if (problem.status === 401) welcome();
  showProblem(problem);
}

const view = createSessionView({ standIn, onFinal: () => history.refresh(), onProblem });
const history = createHistory({ onDeleted: (id) => view.shows(id) && goTo(), onProblem });
createPanel({
  onSent: (session) => {
    goTo(session);
    history.refresh();
  },
  onProblem,
});

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
  if (id && !view.shows(id)) {
    showProblem();
    view.open(id);
  } else if (!location.hash) view.close();
}

function welcome() {
  localStorage.removeItem(NAME_KEY);
  view.close();
  history.clear();
  byId("workspace").hidden = byId("learner").hidden = true;
  byId("sign-in").hidden = false;
  byId("name").focus();
}

function enter(name) {
  localStorage.setItem(NAME_KEY, name);
  byId("learner-name").textContent = name;
  byId("workspace").hidden = byId("learner").hidden = false;
  byId("sign-in").hidden = true;
  history.refresh();
  followAddress();
}

async function signIn(event) {
  event.preventDefault();
  showProblem();
  try {
    const { name } = await call("POST", "/demo/sign-in", { name: byId("name").value });
    enter(name);
    announce(`Signed in as ${name}`);
    byId("start").focus();
  } catch (problem) {
    onProblem(problem);
  }
}

async function signOut() {
  showProblem();
  try {
    await call("POST", "/demo/sign-out");
    window.history.replaceState(null, "", location.pathname);
    welcome();
    announce("Signed out");
  } catch (problem) {
    onProblem(problem);
  }
}

function showStandIns() {
  byId("local-tag").hidden = byId("stand-ins").hidden = !standIns.length;
  byId("stand-ins").querySelector("ul").replaceChildren(...standIns.map(({ note }) => element("li", {}, note)));
}

byId("sign-in-form").addEventListener("submit", signIn);
byId("sign-out").addEventListener("click", signOut);
addEventListener("hashchange", followAddress);
addEventListener("popstate", followAddress);
try {
  ({ standIns } = await call("GET", "/demo/stand-ins"));
  showStandIns();
} catch (problem) {
  showProblem(problem);
}
const name = localStorage.getItem(NAME_KEY);
if (name) enter(name);
else welcome();
