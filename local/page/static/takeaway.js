/** Copying a text and saving it as a file. */

import { announce, element } from "./dom.js";

/** Two buttons for `text`; `what` names it, `file` is the file's name. */
export function takeaway(text, what, file) {
  const button = (verb, act) =>
    element("button", { type: "button", class: "quiet small", "aria-label": `${verb} ${what}`, click: act }, verb);
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(copy, "Copied", what);
    } catch {
      say(copy, "Not allowed", what);
    }
  });
  return element("span", { class: "takeaway" }, copy, button("Download", () => save(text, file)));
}

function say(button, word, what) {
  button.textContent = word;
  announce(`${word}: ${what}`);
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

function save(text, file) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  element("a", { href: url, download: file }).click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** The insights as plain text. */
export function insightsText({ focusNext, insights }) {
  const paragraphs = insights.map((insight, index) =>
    [
      `${index + 1}. ${insight.pattern} (${[insight.category, insight.severity, times(insight)].filter(Boolean).join(", ")})`,
      insight.detail,
      ...(insight.examples ?? []).map((example) => `   "${example}"`),
      insight.suggestion && `Try: ${insight.suggestion}`,
    ].filter(Boolean).join("\n"),
  );
  return [focusNext && `Focus for next time: ${focusNext}`, ...paragraphs].filter(Boolean).join("\n\n") + "\n";
}

/** "once", "3 times"; an insight without a frequency counts once. */
export function times({ frequency }) {
  return (frequency ?? 1) === 1 ? "once" : `${frequency} times`;
}
