/** The pattern profile as a line chart with a legend and a table. */

import { element, shape, when } from "./dom.js";
import { ticks } from "./profile.js";

const MAX_LINES = 5;
const HEIGHT = 240;
const MARGIN = { top: 12, right: 14, bottom: 30, left: 34 };
const LABEL_PX = 64;
const DAY = { day: "numeric", month: "short" };
// Lines differ in colour, dashes and marks, so that nobody needs the colour.
const MARKS = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
  "M-3.500 -3.500h7v7h-7z",
  "M0 -5l4.800 8.300h-9.600z",
  "M0 -5l5 5l-5 5l-5 -5z",
  "M-4 -4l8 8M-4 4l8 -8",
];

/** Draws `profile` into `place`, anew whenever its width changes. */
export function drawChart(place, profile) {
  const shown = profile.series.slice(0, MAX_LINES);
  const picture = element("div", { class: "picture" });
  place.replaceChildren(picture, legend(shown), table(profile));
  let drawnAt = 0;
  const redraw = () => {
    const width = Math.floor(picture.clientWidth);
    if (width && width !== drawnAt) picture.replaceChildren(lines(shown, profile.dates, (drawnAt = width)));
  };
  new ResizeObserver(redraw).observe(picture);
  redraw();
}

function lines(shown, dates, width) {
  const marks = ticks(Math.max(0, ...shown.map(({ totals }) => totals.at(-1))));
  const x = (index) => MARGIN.left + (index / dates.length) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => HEIGHT - MARGIN.bottom - (value / marks.at(-1)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const label = `How often each pattern was found, added up over ${dates.length} recordings: ${shown
    .map(({ pattern, totals }) => `${pattern} ${totals.at(-1)}`)
    .join(", ")}`;
  return shape(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": label },
    marks.map((value) => [
      shape("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      shape("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, String(value)),
    ]).flat(),
    dateLabels(dates, width, x),
    shown.map(({ totals }, index) => line(totals, index, x, y)),
  );
}

function dateLabels(dates, width, x) {
  const every = Math.ceil((dates.length * LABEL_PX) / (width - MARGIN.left));
  return dates.flatMap((date, index) => {
    // Counted from the newest, whose label is always there.
    if ((dates.length - 1 - index) % every) return [];
    const last = index === dates.length - 1;
    return [shape("text", { x: x(index + 1), y: HEIGHT - 8, "text-anchor": last ? "end" : "middle" }, when(date, DAY))];
  });
}

function line(totals, index, x, y) {
  const points = totals.map((total, at) => `${x(at).toFixed(1)},${y(total).toFixed(1)}`);
  return shape(
    "g",
    { class: `line line-${index + 1}` },
    shape("polyline", { points: points.join(" ") }),
    points.slice(1).map((point) => shape("path", { class: "point", d: MARKS[index], transform: `translate(${point})` })),
  );
}

function legend(shown) {
  return element(
    "ul",
    { class: "legend" },
    shown.map(({ category, pattern, totals }, index) =>
      element("li", {},
        shape("svg", { width: 34, height: 14, viewBox: "-17 -7 34 14", "aria-hidden": "true", class: `line line-${index + 1}` },
          shape("polyline", { points: "-16,0 16,0" }), shape("path", { class: "point", d: MARKS[index] })),
        element("span", {}, pattern, " ", element("span", { class: "hint" }, `${category}, ${totals.at(-1)} in all`))),
    ),
  );
}

function table({ dates, series }) {
  const head = ["Pattern", ...dates.map((date) => when(date))].map((text) => element("th", { scope: "col" }, text));
  const rows = series.map(({ pattern, totals }) =>
    element("tr", {}, element("th", { scope: "row" }, pattern), totals.slice(1).map((total) => element("td", {}, String(total)))));
  return element(
    "details",
    {},
    element("summary", {}, "The same as a table"),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Patterns as a table" },
      element("table", {},
        element("caption", { class: "visually-hidden" }, "How often each pattern was found, added up to each recording"),
        element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows))),
  );
}
