/**
 * The pattern profile as a line chart with a legend and a table.
 * A chart library would need a build step, and its inline styles would break the page's content security policy.
 */

import { MIN_WORDS } from "./compare.js";
import { element, shape, when } from "./dom.js";
import { profileOverTime, ticks } from "./profile.js";

const MAX_LINES = 5;
const HEIGHT = 240;
const MARGIN = { top: 12, right: 18, bottom: 30, left: 34 };
const SPREAD_PX = 16;
const LABEL_PX = 58;
const DAY = { day: "numeric", month: "short" };
const TIME = { hour: "numeric", minute: "2-digit" };
// Lines differ in dashes and marks as well as in colour, so that they can be told apart without colour.
const MARKS = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
  "M-3.500 -3.500h7v7h-7z",
  "M0 -5l4.800 8.300h-9.600z",
  "M0 -5l5 5l-5 5l-5 -5z",
  "M-4 -4l8 8M-4 4l8 -8",
];
let drawn = {};

/** Draws the profile of the finished sessions in `place`, or explains why there is none. */
export function drawProfile(place, finished) {
  const profile = profileOverTime(finished);
  // Redraw only on a change, because the table may be open or scrolled.
  const now = JSON.stringify([profile, finished.length]);
  if (drawn.now === now && place.firstChild) return;
  drawn.observer?.disconnect();
  drawn = { now };
  if (profile.series.length) drawChart(place, profile);
  else place.replaceChildren(element("p", { class: "hint" }, emptyText(profile, finished.length)));
}

function emptyText({ dates }, finished) {
  if (!finished) {
    return "Finish a recording to see how often each habit occurs per 100 words. "
      + "From the second on, you see the change.";
  }
  if (!dates.length) {
    return `Your recordings have fewer than ${MIN_WORDS} words, too few to compare. Speak a little longer.`;
  }
  return `No recurring patterns so far, in ${dates.length === 1 ? "one recording" : `${dates.length} recordings`}.`;
}

function drawChart(place, profile) {
  const shown = profile.series.slice(0, MAX_LINES);
  const picture = element("div", { class: "picture" });
  place.replaceChildren(
    element("p", { class: "hint" }, "Occurrences per 100 words. The number beside each name is the latest."),
    picture, legend(shown), table(profile));
  let drawnAt = 0;
  const redraw = () => {
    const width = Math.floor(picture.clientWidth);
    if (width && width !== drawnAt) picture.replaceChildren(lines(shown, profile.dates, (drawnAt = width)));
  };
  drawn.observer = new ResizeObserver(redraw);
  drawn.observer.observe(picture);
  redraw();
}

function lines(shown, dates, width) {
  const marks = ticks(Math.max(...shown.flatMap(({ rates }) => rates)));
  const [left, right] = [MARGIN.left + 10, width - MARGIN.right];
  const x = (index) => (dates.length === 1 ? (left + right) / 2 : left + (index / (dates.length - 1)) * (right - left));
  const y = (value) => HEIGHT - MARGIN.bottom - (value / marks.at(-1)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const count = dates.length === 1 ? "one recording" : `${dates.length} recordings`;
  const latest = shown.map(({ pattern, rates }) => `${pattern} ${rates.at(-1).toFixed(1)}`).join(", ");
  const label = `Occurrences per 100 words in ${count}, the latest: ${latest}`;
  return shape(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": label },
    marks.map((value) => [
      shape("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      shape("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, String(value)),
    ]).flat(),
    dateLabels(dates, width, x),
    // With a single recording, spread the marks so that those of the same height do not overlap.
    shown.map(({ rates }, index) => {
      const shift = dates.length === 1 ? SPREAD_PX * (index - (shown.length - 1) / 2) : 0;
      return line(rates, index, (at) => x(at) + shift, y);
    }),
  );
}

function dateLabels(dates, width, x) {
  const isOneDay = new Set(dates.map((date) => when(date, DAY))).size === 1 && dates.length > 1;
  let free = width;
  let last;
  const labels = dates.map((date, index) => ({ text: when(date, isOneDay ? TIME : DAY), index }));
  // Start with the newest, which always has a label. Skip labels that have no room or repeat the one before.
  return labels.reverse().flatMap(({ text, index }) => {
    const middle = Math.min(x(index), width - LABEL_PX / 2);
    if (text === last || middle + LABEL_PX / 2 > free) return [];
    [free, last] = [middle - LABEL_PX / 2, text];
    return [shape("text", { x: Math.max(middle, LABEL_PX / 2), y: HEIGHT - 8, "text-anchor": "middle" }, text)];
  });
}

function line(rates, index, x, y) {
  const points = rates.map((rate, at) => `${x(at).toFixed(1)},${y(rate).toFixed(1)}`);
  return shape(
    "g",
    { class: `line line-${index + 1}` },
    shape("polyline", { points: points.join(" ") }),
    points.map((point) => shape("path", { class: "point", d: MARKS[index], transform: `translate(${point})` })),
  );
}

function legend(shown) {
  return element(
    "ul",
    { class: "legend" },
    shown.map(({ category, pattern, rates }, index) =>
      element("li", {},
        shape("svg",
          { width: 34, height: 14, viewBox: "-17 -7 34 14", "aria-hidden": "true", class: `line line-${index + 1}` },
          shape("polyline", { points: "-16,0 16,0" }), shape("path", { class: "point", d: MARKS[index] })),
        element("span", {}, pattern, " ", element("span", { class: "hint" }, category)),
        element("span", { class: "latest" }, rates.at(-1).toFixed(1))),
    ),
  );
}

function table({ dates, series }) {
  const head = ["Pattern", ...dates.map((date) => when(date))].map((text) => element("th", { scope: "col" }, text));
  const rows = series.map(({ pattern, rates }) =>
    element("tr", {},
      element("th", { scope: "row" }, pattern), rates.map((rate) => element("td", {}, rate.toFixed(1)))));
  return element(
    "details",
    {},
    element("summary", {}, "Show as a table"),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Patterns as a table" },
      element("table", {},
        element("caption", { class: "visually-hidden" }, "Occurrences of each pattern per 100 words, by recording"),
        element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows))),
  );
}
