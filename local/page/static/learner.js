/** Who is signed in, in this tab and in the browser's others. */

import { call } from "./api.js";
import { closeQuestion, confirmed, QUESTIONS } from "./confirm.js";
import { announce, byId, clearProblems, showProblem } from "./dom.js";

// The cookie is out of a script's reach, so the name that is shown is kept here; other tabs hear of each change.
const NAME_KEY = "learner";

const isSame = (one, other) => one?.toLowerCase() === other?.toLowerCase();

export class Learner {
  // Whose recordings this tab holds. An expired cookie does not change that, signing out does.
  #name;
  #listeners;

  /** `onEnter()` and `onExpired()` show and hide the learner's things, `onForget()` removes them, `holds()`: is anything unsent? */
  constructor(listeners) {
    this.#listeners = listeners;
    byId("sign-in-form").addEventListener("submit", (event) => this.#signIn(event));
    byId("sign-out").addEventListener("click", () => this.#signOut());
    addEventListener("storage", (event) => [NAME_KEY, null].includes(event.key) && this.#follow());
    // A tab that comes back out of the browser's memory has missed what the others said.
    addEventListener("pageshow", (event) => event.persisted && this.#follow());
  }

  /** Whoever was signed in when the page was last open, or the welcome. */
  start() {
    const name = localStorage.getItem(NAME_KEY);
    if (name) this.#enter(name);
    else this.#welcome();
  }

  /** The service no longer knows the learner: ask for the name again; what was not sent waits for the same name. */
  expire(problem) {
    this.#listeners.onExpired();
    this.#welcome();
    showProblem("sign-in", problem);
  }

  #follow() {
    const name = localStorage.getItem(NAME_KEY);
    if (!name) this.#leave();
    else if (!isSame(name, this.#name) || byId("workspace").hidden) this.#enter(name);
  }

  #enter(name) {
    if (this.#name !== undefined && !isSame(name, this.#name)) this.#forget();
    this.#name = name;
    clearProblems();
    byId("learner-name").textContent = name;
    byId("name").value = "";
    byId("workspace").hidden = byId("learner").hidden = false;
    byId("sign-in").hidden = true;
    this.#listeners.onEnter();
  }

  #welcome() {
    byId("workspace").hidden = byId("learner").hidden = true;
    byId("learner-name").textContent = "";
    byId("sign-in").hidden = false;
    byId("name").focus();
  }

  #forget() {
    this.#name = undefined;
    closeQuestion();
    window.history.replaceState(null, "", location.pathname);
    this.#listeners.onForget();
    announce("");
  }

  #leave() {
    this.#forget();
    clearProblems();
    this.#welcome();
    announce("Signed out");
  }

  async #signIn(event) {
    event.preventDefault();
    showProblem("sign-in");
    try {
      const { name } = await call("POST", "/demo/sign-in", { name: byId("name").value });
      localStorage.setItem(NAME_KEY, name);
      this.#enter(name);
      announce(`Signed in as ${name}`);
      byId("start").focus();
    } catch (problem) {
      showProblem("sign-in", problem);
    }
  }

  async #signOut() {
    showProblem("page");
    if (this.#listeners.holds() && !(await confirmed(QUESTIONS.signOut))) return;
    try {
      await call("POST", "/demo/sign-out");
    } catch (problem) {
      return showProblem("page", problem);
    }
    localStorage.removeItem(NAME_KEY);
    this.#leave();
  }
}
