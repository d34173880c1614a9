/** The service's public endpoints, as any client of it would call them. */

const NETWORK = "The service cannot be reached. Check that it is still running.";
const STRANGE = "The service gave an answer that this page does not understand.";
const GONE = "This recording no longer exists. It may have been deleted in another tab.";
// Codes whose own sentence is for developers. Any other sentence is shown as the service wrote it.
const SENTENCES = {
  UNAUTHORIZED: "You are signed out. Sign in to continue.",
  SESSION_NOT_FOUND: GONE,
  USER_NOT_FOUND: GONE,
  INTERNAL_ERROR: "The service ran into a problem. Try again in a moment.",
  UNREACHABLE: NETWORK,
};

/** What went wrong, as a sentence for the learner, with the service's code and HTTP status (0: no answer). */
export class Problem extends Error {
  constructor(sentence, code, status = 0) {
    super(sentence);
    Object.assign(this, { code, status });
  }
}

/** The answer's JSON. Throws a Problem. */
export async function call(method, path, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  let response, text;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    text = await response.text();
  } catch {
    throw new Problem(NETWORK, "NETWORK");
  }
  return answered(response.status, text);
}

export const listSessions = (page, limit) => call("GET", `/api/sessions?page=${page}&limit=${limit}`);
export const getSession = (id) => call("GET", `/api/sessions/${encodeURIComponent(id)}`);
export const deleteSession = (id) => call("DELETE", `/api/sessions/${encodeURIComponent(id)}`);

/**
 * Sends a recording; `onProgress` hears the share that has left, from 0 to 1. Throws a Problem, CANCELLED if `signal` says so.
 * XMLHttpRequest, because fetch does not tell how far an upload is.
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
        resolve(answered(request.status, request.responseText));
      } catch (problem) {
        reject(problem);
      }
    });
    request.addEventListener("error", () => reject(new Problem(NETWORK, "NETWORK")));
    request.addEventListener("abort", () => reject(new Problem("The upload was cancelled.", "CANCELLED")));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

function answered(status, text) {
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Problem(STRANGE, `HTTP_${status}`, status);
  }
  if (status >= 200 && status < 300) return json;
  throw new Problem(SENTENCES[json.code] ?? json.error ?? STRANGE, json.code ?? `HTTP_${status}`, status);
}
