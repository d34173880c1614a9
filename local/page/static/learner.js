/** Who is signed in, in this tab and in the browser's other tabs. */

import { call } from "./api.js";
import { closeQuestion, confirmed, QUESTIONS } from "./confirm.js";
import { announce, byId, clearErrors, showError } from "./dom.js";

// Scripts cannot read the cookie, so the name is kept in localStorage, whose events tell other tabs about a change.
const NAME_KEY = "learner";

const isSame = (one, other) => one?.toLowerCase() === other?.toLowerCase();

export class Learner {
  // The learner whose recordings this tab has. Signing out clears it, an expired cookie does not.
  #name;
  #listeners;

  /**
   * `onEnter()` shows the learner's data, `onExpired()` hides it and `onForget()` removes it.
   * `hasUnsent()` returns whether there is an unsent recording.
   */
  constructor(listeners) {
    this.#listeners = listeners;
    byId("sign-in-form").addEventListener("submit", (event) => this.#signIn(event));
    byId("sign-out").addEventListener("click", () => this.#signOut());
    addEventListener("storage", (event) => [NAME_KEY, null].includes(event.key) && this.#follow());
    // A page restored from the back/forward cache has missed the events of other tabs.
    addEventListener("pageshow", (event) => event.persisted && this.#follow());
  }

  /** Shows the workspace if a learner is still signed in, otherwise the sign-in form. */
  start() {
    const name = localStorage.getItem(NAME_KEY);
    if (name) this.#enter(name);
    else this.#welcome();
  }

  /** The sign-in has expired: asks for the name again. An unsent recording is kept for the same name. */
  expire(error) {
    this.#listeners.onExpired();
    this.#welcome();
    showError("sign-in", error);
  }

  #follow() {
    const name = localStorage.getItem(NAME_KEY);
    if (!name) this.#leave();
    else if (!isSame(name, this.#name) || byId("workspace").hidden) this.#enter(name);
  }

  #enter(name) {
    if (this.#name !== undefined && !isSame(name, this.#name)) this.#forget();
    this.#name = name;
    clearErrors();
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
    history.replaceState(null, "", location.pathname);
    this.#listeners.onForget();
    announce("");
  }

  #leave() {
    this.#forget();
    clearErrors();
    this.#welcome();
    announce("Signed out");
  }

  async #signIn(event) {
    event.preventDefault();
    showError("sign-in");
    try {
      const { name } = await call("POST", "/demo/sign-in", { name: byId("name").value });
      localStorage.setItem(NAME_KEY, name);
      this.#enter(name);
      announce(`Signed in as ${name}`);
      byId("start").focus();
    } catch (error) {
      showError("sign-in", error);
    }
  }

  async #signOut() {
    showError("page");
    if (this.#listeners.hasUnsent() && !(await confirmed(QUESTIONS.signOut))) return;
    try {
      await call("POST", "/demo/sign-out");
    } catch (error) {
      return showError("page", error);
    }
    localStorage.removeItem(NAME_KEY);
    this.#leave();
  }
}
