/** Creates elements. Text is always inserted as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Creates an HTML element. Functions in `attributes` become listeners; undefined and false are left out. */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Creates an SVG element in the same way. */
export function shape(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== false));
  return node;
}

/** Announces `text` to screen readers and shows it in the window's title. */
export function announce(text) {
  byId("status").textContent = text;
  document.title = text ? `${text} – Speaking coach` : "Speaking coach";
}

/** Shows an error in its place: page, sign-in, record, session or history. Without `error`, removes the last one. */
export function showError(place, error) {
  const shown = error ? [element("p", { class: "problem" }, sentence(error.message))] : [];
  byId(`${place}-problem`).replaceChildren(...shown);
}

/** Removes all errors. */
export function clearErrors() {
  for (const place of document.querySelectorAll('[role="alert"]')) place.replaceChildren();
}

/** Adds a full stop if there is none: the service's messages have none. */
export const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

/** Formats 75.4 seconds as 1:15. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Formats a date in the page's language. */
export function when(text, options = { dateStyle: "medium", timeStyle: "short" }) {
  return new Intl.DateTimeFormat(document.documentElement.lang, options).format(new Date(text));
}
