/** Asks for confirmation before something is lost. */

import { byId } from "./dom.js";

export const QUESTIONS = {
  replace: {
    title: "Replace the recording you have not sent?", text: "It is only in this tab, so it would be lost.",
    yes: "Replace", no: "Keep",
  },
  delete: {
    title: "Delete this recording?", text: "Its transcript and insights are deleted too.", yes: "Delete", no: "Keep",
  },
  signOut: {
    title: "Sign out and discard your recording?",
    text: "You have a recording that was not sent. It is only in this tab.", yes: "Sign out", no: "Stay",
  },
};

let resolveAnswer;

/**
 * Asks one of the questions and returns whether the learner agrees. The answer that loses nothing has the focus.
 * A question that is still open is answered with no.
 */
export function confirmed({ title, text, yes, no }) {
  const dialog = byId("confirm");
  closeQuestion();
  const texts = { "confirm-title": title, "confirm-text": text, "confirm-yes": yes, "confirm-no": no };
  for (const [id, content] of Object.entries(texts)) byId(id).textContent = content;
  byId("confirm-yes").onclick = () => settle(true);
  byId("confirm-no").onclick = () => settle(false);
  // The Escape key.
  dialog.oncancel = () => settle(false);
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => (resolveAnswer = resolve));
}

/** Answers an open question with no, for example because the learner has signed out. */
export const closeQuestion = () => settle(false);

function settle(yes) {
  byId("confirm").close();
  resolveAnswer?.(yes);
  resolveAnswer = undefined;
}
