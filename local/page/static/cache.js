/** Caches the details of the learner's sessions, so that a session is fetched again only when it has changed. */

import { getSession, listSessions } from "./api.js";

// The largest page of the list endpoint. The chart and the comparison cover this many recordings.
const NEWEST = 50;
const MAX_CONCURRENT = 4;

export class SessionCache {
  #known = new Map();

  /** Returns the finished ones of the newest sessions, newest first. Throws a UserError. */
  async finished() {
    const { sessions } = await listSessions(1, NEWEST);
    return this.details(sessions.filter(({ status }) => status === "DONE"));
  }

  /** Returns these sessions with all details, without those deleted in the meantime. Throws a UserError. */
  async details(sessions) {
    const wanted = sessions.filter((session) => !this.#find(session));
    const fetchNext = async () => {
      for (let next = wanted.pop(); next; next = wanted.pop()) await this.#fetch(next.id);
    };
    await Promise.all(Array.from({ length: MAX_CONCURRENT }, fetchNext));
    return sessions.flatMap((session) => this.#find(session) ?? []);
  }

  /** Returns the finished session before this one, with all details, or undefined. Throws a UserError. */
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
    // After clear(), this answer must not reach the next learner's cache.
    const known = this.#known;
    try {
      known.set(id, await getSession(id));
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }
}
