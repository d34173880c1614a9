/** Shows a recording before and while it is sent: its details, a player and its topic. */

import { byId, clock } from "./dom.js";

/** Shows the recording `{blob, name, durationS, topic}`, with the remark `note` below it. */
export function showReview({ blob, name, durationS, topic = "" }, note = "") {
  const size = blob.size < 1e6 ? `${Math.ceil(blob.size / 1e3)} KB` : `${(blob.size / 1e6).toFixed(1)} MB`;
  byId("review-text").textContent = `${name} · ${durationS ? clock(durationS) : "length unknown"} · ${size}`;
  byId("review-note").textContent = note;
  byId("topic").value = topic;
  release();
  byId("player").src = URL.createObjectURL(blob);
}

/** Removes the recording from the page. */
export function clearReview() {
  for (const id of ["review-text", "review-note"]) byId(id).textContent = "";
  byId("topic").value = "";
  release();
}

/** Shows the share that has been sent, from 0 to 1. */
export function showProgress(share) {
  byId("progress").value = share;
  byId("percent").textContent = `${Math.floor(share * 100)} %`;
}

function release() {
  const player = byId("player");
  if (!player.src) return;
  URL.revokeObjectURL(player.src);
  player.removeAttribute("src");
  player.load();
}
