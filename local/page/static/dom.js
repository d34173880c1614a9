/** Builds elements. Text becomes text, never markup. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** An HTML element with attributes (functions become listeners, undefined and false are left out) and children. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function shape(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return node;
}

/** Have a screen reader say it, and show it in the window's title. */
export function announce(text) {
  byId("status").textContent = text;
  document.title = text ? `${text} – Speaking coach` : "Speaking coach";
}

/** Show an error in its place: page, sign-in, record, session or history. Without one, remove the last. */
export function showProblem(place, problem) {
  byId(`${place}-problem`).replaceChildren(...(problem ? [element("p", { class: "problem" }, sentence(problem.message))] : []));
}

/** Remove every error that is shown. */
export function clearProblems() {
  for (const place of document.querySelectorAll('[role="alert"]')) place.replaceChildren();
}

/** The service's sentences have no full stop of their own. */
export const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

/** 75.4 as 1:15. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A date as it is written in the page's language. */
export function when(text, options = { dateStyle: "medium", timeStyle: "short" }) {
  return new Intl.DateTimeFormat(document.documentElement.lang, options).format(new Date(text));
}
