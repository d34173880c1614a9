/** Asks before something is lost. */

import { byId } from "./dom.js";

export const QUESTIONS = {
  replace: {
    title: "Replace the recording you have not sent?", text: "It is only in this tab, so it would be lost.", yes: "Replace", no: "Keep",
  },
  delete: { title: "Delete this recording?", text: "Its transcript and insights are deleted too.", yes: "Delete", no: "Keep" },
  signOut: {
    title: "Sign out and discard your recording?", text: "You have a recording that was not sent. It is only in this tab.",
    yes: "Sign out", no: "Stay",
  },
};

let answer;

/** Whether the learner says yes to one of the questions; the harmless answer has the focus. A second question answers the first with no. */
export function confirmed({ title, text, yes, no }) {
  const dialog = byId("confirm");
  closeQuestion();
  const said = { "confirm-title": title, "confirm-text": text, "confirm-yes": yes, "confirm-no": no };
  for (const [id, words] of Object.entries(said)) byId(id).textContent = words;
  byId("confirm-yes").onclick = () => settle(true);
  byId("confirm-no").onclick = () => settle(false);
  // The Escape key.
  dialog.oncancel = () => settle(false);
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => (answer = resolve));
}

/** Answer an open question with no: the learner has left. */
export const closeQuestion = () => settle(false);

function settle(yes) {
  byId("confirm").close();
  answer?.(yes);
  answer = undefined;
}
