/** What is known of the learner's sessions in full: finished ones are asked for once. */

import { getSession, listSessions } from "./api.js";

// As many as one request gives: chart and comparison cover this many recordings.
const NEWEST = 50;
const AT_ONCE = 4;

export class Library {
  #known = new Map();

  /** The finished sessions among the newest, newest first. Throws a Problem. */
  async finished() {
    const { sessions } = await listSessions(1, NEWEST);
    return this.details(sessions.filter(({ status }) => status === "DONE"));
  }

  /** These sessions in full; one that is deleted meanwhile is left out. Throws a Problem. */
  async details(sessions) {
    const wanted = sessions.filter((session) => !this.#find(session));
    const fetchNext = async () => {
      for (let next = wanted.pop(); next; next = wanted.pop()) await this.#fetch(next.id);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, fetchNext));
    return sessions.flatMap((session) => this.#find(session) ?? []);
  }

  /** The finished session before this one, in full, or undefined. Throws a Problem. */
  async before({ createdAt }) {
    return (await this.finished()).find((other) => other.createdAt < createdAt);
  }

  delete(id) {
    this.#known.delete(id);
  }

  clear() {
    this.#known = new Map();
  }

  #find({ id, updatedAt }) {
    const known = this.#known.get(id);
    return known?.updatedAt === updatedAt ? known : undefined;
  }

  async #fetch(id) {
    // What was asked for by the last learner is not kept for the next.
    const known = this.#known;
    try {
      known.set(id, await getSession(id));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
  }
}
