/** The results of a finished session: focus, marked transcript, insights, comparison with the previous session. */

import { comparison } from "./compare.js";
import { copyAndDownload, insightsText } from "./copy-and-download.js";
import { element, when } from "./dom.js";
import { groups } from "./insights.js";
import { pieces } from "./marks.js";

/** Creates the elements for a session that is DONE. */
export function results(session, standIn) {
  const text = session.transcript?.text ?? "";
  const day = session.createdAt.slice(0, 10);
  return [
    session.focusNext &&
      element("section", { class: "focus", "aria-labelledby": "focus-title" },
        element("h3", { id: "focus-title" }, "Focus for next time"), element("p", {}, session.focusNext)),
    element("section", { "aria-labelledby": "transcript-title" },
      title("transcript-title", "Transcript", standIn("transcript"),
        copyAndDownload(text, "transcript", `transcript-${day}.txt`)),
      element("p", { class: "transcript", id: "transcript", lang: session.language ?? "en" },
        marked(text, session.insights))),
    element("section", { "aria-labelledby": "insights-title" },
      title("insights-title", "Insights", standIn("insights"),
        session.insights.length && copyAndDownload(insightsText(session), "insights", `insights-${day}.txt`)),
      session.insights.length
        ? groups(session.insights, text)
        : element("p", { class: "hint" }, "No recurring patterns were found in this recording.")),
  ].filter(Boolean);
}

/** Creates a table that compares a session with the previous one; without one, it shows only this session's numbers. */
export function compared(session, before) {
  const rows = comparison(session, before);
  const head = ["", before && `Last time, ${when(before.createdAt, { day: "numeric", month: "short" })}`, "This time"];
  return [
    element("section", { "aria-labelledby": "compare-title" },
      title("compare-title", before ? "Compared with your last recording" : "In numbers"),
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of numbers" },
        element("table", { class: "compare" },
          element("thead", {}, element("tr", {}, head.filter((text) => text !== undefined).map((text) => cell(text)))),
          element("tbody", {}, rows.map(({ label, hint, was, is }) =>
            element("tr", {},
              element("th", { scope: "row" }, label, hint && element("span", { class: "hint" }, ` ${hint}`)),
              before && element("td", {}, was), element("td", {}, is)))))),
      before && element("p", { class: "hint" },
        "Patterns are counted per 100 words, so that long and short recordings can be compared.")),
  ];
}

const cell = (text) => (text ? element("th", { scope: "col" }, text) : element("td"));

function title(id, text, ...beside) {
  return element("div", { class: "title" }, element("h3", { id }, text),
    ...beside.filter(Boolean).map((each) =>
      (typeof each === "string" ? element("span", { class: "stand-in" }, each) : each)));
}

function marked(text, insights) {
  return pieces(text, insights).flatMap((piece) => {
    if (!piece.insights.length) return [piece.text];
    const mark = (words, indices) =>
      element("mark", { class: insights[indices[0]].severity ?? "none", "data-insights": indices.join(" ") }, words);
    if (!piece.ends.length) return [mark(piece.text, piece.insights)];
    // Keep the last word, its punctuation and the numbers on one line.
    const cut = piece.text.search(/\S+\s*$/);
    const last = element("span", { class: "unbroken" },
      mark(piece.text.slice(cut), piece.insights),
      piece.around.length && piece.after ? mark(piece.after, piece.around) : piece.after,
      piece.ends.map((index) => reference(index, insights[index])));
    return cut > 0 ? [mark(piece.text.slice(0, cut), piece.insights), last] : [last];
  });
}

function reference(index, insight) {
  return element("button",
    { type: "button", class: "reference", "aria-label": `Insight ${index + 1}: ${insight.pattern}`,
      click: () => focusInsight(index) },
    String(index + 1));
}

function focusInsight(index) {
  const card = document.getElementById(`insight-${index}`);
  card.focus();
  card.scrollIntoView({ block: "nearest" });
}
