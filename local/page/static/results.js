/** What a finished session shows: the focus, the transcript with its marks, the insights. */

import { element } from "./dom.js";
import { pieces, places } from "./marks.js";

const SEVERITIES = { high: "High", medium: "Medium", low: "Low", none: "Not rated" };

/** The elements for a session that is DONE. */
export function results(session, standIn) {
  const text = session.transcript?.text ?? "";
  return [
    session.focusNext &&
      element("section", { class: "focus", "aria-labelledby": "focus-title" },
        element("h3", { id: "focus-title" }, "Focus for next time"), element("p", {}, session.focusNext)),
    element("section", { "aria-labelledby": "transcript-title" },
      title("transcript-title", "Transcript", standIn("transcript")),
      element("p", { class: "transcript", id: "transcript", lang: session.language ?? "en" }, marked(text, session.insights))),
    element("section", { "aria-labelledby": "insights-title" },
      title("insights-title", "Insights", standIn("insights")),
      session.insights.length
        ? groups(session.insights, text)
        : element("p", { class: "hint" }, "Nothing came back often enough to be a pattern.")),
  ].filter(Boolean);
}

function title(id, text, standIn) {
  return element("div", { class: "title" }, element("h3", { id }, text), standIn && element("span", { class: "stand-in" }, standIn));
}

function marked(text, insights) {
  return pieces(text, insights).flatMap((piece) => {
    if (!piece.insights.length) return [piece.text];
    const severity = insights[piece.insights[0]].severity ?? "none";
    const mark = element("mark", { class: severity, "data-insights": piece.insights.join(" ") }, piece.text);
    return [mark, ...piece.ends.map((index) => reference(index, insights[index]))];
  });
}

function reference(index, insight) {
  return element("button",
    { type: "button", class: "reference", "aria-label": `Insight ${index + 1}: ${insight.pattern}`, click: () => point(index) },
    String(index + 1));
}

function point(index) {
  const card = document.getElementById(`insight-${index}`);
  card.focus();
  card.scrollIntoView({ block: "nearest" });
}

function groups(insights, text) {
  const numbered = insights.map((insight, index) => ({ insight, index }));
  return Object.entries(SEVERITIES).flatMap(([severity, name]) => {
    const members = numbered.filter(({ insight }) => (insight.severity ?? "none") === severity);
    if (!members.length) return [];
    return [element("h4", { class: `severity ${severity}` }, name),
      element("ol", { class: "insights" }, members.map(({ insight, index }) => item(insight, index, text)))];
  });
}

function item(insight, index, text) {
  const light = (on) => () => {
    for (const mark of document.querySelectorAll("#transcript mark")) {
      mark.classList.toggle("lit", on && mark.dataset.insights.split(" ").includes(String(index)));
    }
  };
  const times = insight.frequency ?? 1;
  return element("li",
    { id: `insight-${index}`, tabindex: "-1", value: String(index + 1), class: insight.severity ?? "none",
      mouseenter: light(true), mouseleave: light(false), focus: light(true), blur: light(false) },
    element("h5", {}, element("span", { class: "number" }, String(index + 1)), insight.pattern),
    element("p", { class: "hint" }, `${insight.category} · ${times === 1 ? "once" : `${times} times`}`),
    element("p", {}, insight.detail),
    insight.suggestion && element("p", { class: "suggestion" }, insight.suggestion),
    insight.examples?.length && element("ul", { class: "examples" }, insight.examples.map((example) => quoted(example, text))));
}

function quoted(example, text) {
  const found = places(text, example).length > 0;
  return element("li", {}, element("q", {}, example),
    !found && element("span", { class: "hint" }, " (not in these words in the transcript)"));
}
