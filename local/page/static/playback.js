/** Plays a recording beside its results, from this tab's own copy. */

import { element } from "./dom.js";

/** Fills `place` with a player and a remark. An existing player continues playing. */
export function fillPlayer(place, session, copy) {
  if (!place.firstChild) {
    const attributes = { controls: true, "aria-label": "This recording", preload: "metadata" };
    const audio = copy && element("audio", { ...attributes, src: copy.url });
    place.append(...[audio, element("p", { class: "hint" })].filter(Boolean));
  }
  place.querySelector(".hint").textContent = remark(session, copy);
}

function remark(session, copy) {
  const service = session.audioDeletedAt
    ? "The service has deleted the audio."
    : "The service deletes the audio once it is transcribed.";
  return copy
    ? `Played from this tab's own copy, which is gone when you close or reload the page or sign out. ${service}`
    : `${service} Only the tab that sent a recording can play it, until it is closed or reloaded.`;
}
