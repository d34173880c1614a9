/** The insights as cards, grouped by severity. */

import { times } from "./copy-and-download.js";
import { element } from "./dom.js";
import { places, quotation } from "./marks.js";

const SEVERITIES = { high: "High", medium: "Medium", low: "Low", none: "Not rated" };

/** Creates the elements for a session's insights, with their examples as quotations from its transcript `text`. */
export function groups(insights, text) {
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
  return element("li",
    { id: `insight-${index}`, tabindex: "-1", value: String(index + 1), class: insight.severity ?? "none",
      mouseenter: light(true), mouseleave: light(false), focus: light(true), blur: light(false) },
    element("h5", {}, element("span", { class: "number" }, String(index + 1)), insight.pattern),
    element("p", { class: "hint" }, `${insight.category} · ${times(insight)}`),
    element("p", {}, insight.detail),
    insight.suggestion && element("p", { class: "suggestion" }, insight.suggestion),
    insight.examples?.length &&
      element("ul", { class: "examples" }, insight.examples.map((example) => quoted(example, text))));
}

function quoted(example, text) {
  const isFound = places(text, example).length > 0;
  return element("li", {}, element("q", {}, quotation(text, example)),
    !isFound && element("span", { class: "hint" }, " (worded differently in the transcript)"));
}
