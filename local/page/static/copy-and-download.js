/** Copies a text to the clipboard or saves it as a file. */

import { announce, element } from "./dom.js";

/** Creates two buttons for `text`. `what` describes it, and `file` is the name of the saved file. */
export function copyAndDownload(text, what, file) {
  const button = (verb, onClick) =>
    element("button", { type: "button", class: "quiet small", "aria-label": `${verb} ${what}`, click: onClick }, verb);
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      showResult(copy, "Copied", what);
    } catch {
      showResult(copy, "Not allowed", what);
    }
  });
  return element("span", { class: "copy-and-download" }, copy, button("Download", () => save(text, file)));
}

function showResult(button, word, what) {
  button.textContent = word;
  announce(`${word}: ${what}`);
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

function save(text, file) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  element("a", { href: url, download: file }).click();
  // The download has started by then.
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Returns the insights as plain text. */
export function insightsText({ focusNext, insights }) {
  const paragraphs = insights.map((insight, index) => {
    const facts = [insight.category, insight.severity, times(insight)].filter(Boolean).join(", ");
    return [
      `${index + 1}. ${insight.pattern} (${facts})`,
      insight.detail,
      ...(insight.examples ?? []).map((example) => `   "${example}"`),
      insight.suggestion && `Try: ${insight.suggestion}`,
    ].filter(Boolean).join("\n");
  });
  return [focusNext && `Focus for next time: ${focusNext}`, ...paragraphs].filter(Boolean).join("\n\n") + "\n";
}

/** Returns "once" or "3 times". An insight without a frequency counts once. */
export function times({ frequency }) {
  return (frequency ?? 1) === 1 ? "once" : `${frequency} times`;
}
