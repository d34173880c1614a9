/** The service's public endpoints, as any client of it would call them. */

const UNREACHABLE = "The service cannot be reached. Check that it is still running.";
const UNEXPECTED = "The service gave an answer that this page does not understand.";
const GONE = "This recording no longer exists. It may have been deleted in another tab.";
// Replacements for messages that are meant for developers. All others are shown as the service wrote them.
const MESSAGES = {
  UNAUTHORIZED: "You are signed out. Sign in to continue.",
  SESSION_NOT_FOUND: GONE,
  USER_NOT_FOUND: GONE,
  INTERNAL_ERROR: "The service ran into a problem. Try again in a moment.",
  UNREACHABLE,
};

/** An error with a message for the learner, the service's code and the HTTP status (0 if there was no answer). */
export class UserError extends Error {
  constructor(message, code, status = 0) {
    super(message);
    Object.assign(this, { code, status });
  }
}

/** Sends a request and returns the answer's JSON. Throws a UserError. */
export async function call(method, path, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  let response, text;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    text = await response.text();
  } catch {
    throw new UserError(UNREACHABLE, "NETWORK");
  }
  return parseAnswer(response.status, text);
}

export const listSessions = (page, limit) => call("GET", `/api/sessions?page=${page}&limit=${limit}`);
export const getSession = (id) => call("GET", `/api/sessions/${encodeURIComponent(id)}`);
export const deleteSession = (id) => call("DELETE", `/api/sessions/${encodeURIComponent(id)}`);

/**
 * Uploads a recording and returns the session. Calls `onProgress` with the share that has been sent, from 0 to 1.
 * Throws a UserError; its code is CANCELLED if `signal` was aborted.
 * Uses XMLHttpRequest because fetch does not report the progress of an upload.
 */
export function upload({ blob, name, durationS, topic }, onProgress, signal) {
  const form = new FormData();
  form.append("audio", blob, name);
  form.append("duration", String(durationS));
  if (topic) form.append("topic", topic);
  form.append("language", "en");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/sessions");
    request.upload.addEventListener("progress", (event) => onProgress(event.total ? event.loaded / event.total : 0));
    request.addEventListener("load", () => {
      try {
        resolve(parseAnswer(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    });
    request.addEventListener("error", () => reject(new UserError(UNREACHABLE, "NETWORK")));
    request.addEventListener("abort", () => reject(new UserError("The upload was cancelled.", "CANCELLED")));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

function parseAnswer(status, text) {
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UserError(UNEXPECTED, `HTTP_${status}`, status);
  }
  if (status >= 200 && status < 300) return json;
  throw new UserError(MESSAGES[json.code] ?? json.error ?? UNEXPECTED, json.code ?? `HTTP_${status}`, status);
}
