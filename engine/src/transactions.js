'use strict';
// Interactive transactions. The WebAssembly engine does not enforce max_wait, and a wait that it abandons would
// never release its connection. So the connection is acquired here, within max_wait, and passed to the engine
// when it asks for one.

const { userFacing } = require('./errors.js');

const DEFAULT_MAX_WAIT_MS = 2000;
const MAX_KNOWN = 10_000;
const NOT_FOUND = "Transaction not found. Transaction ID is invalid, refers to an old closed transaction Prisma doesn't have information about anymore, or was obtained before disconnecting.";
const UNKNOWN = [404, userFacing('P2028', `Transaction API error: ${NOT_FOUND}`, { error: NOT_FOUND })];
const TOO_LATE = 'Unable to start a transaction in the given time.';

/**
 * Makes the adapter start transactions on connections from the returned queue. Call this before binding the adapter.
 * @param base the PrismaPg adapter
 * @returns {object[]} the queue of acquired connections, first in, first out
 */
function useAcquiredConnections(base) {
  const acquired = [];
  const begin = base.startTransaction;
  base.startTransaction = function () {
    const client = acquired.shift();
    return begin.call(client ? { client: { connect: async () => client } } : this);
  };
  return acquired;
}

class Transactions {
  constructor({ pool, acquired, engine, errors }) {
    Object.assign(this, { pool, acquired, engine, errors });
    this.starting = 0;
    this.known = new Set();
  }

  /** @returns {Promise<[status: number, body: object]>} */
  async start(body) {
    let client;
    try {
      client = await this.acquire(JSON.parse(body).max_wait ?? DEFAULT_MAX_WAIT_MS);
    } catch (error) {
      return [500, this.errors.fromDriver(error) ?? userFacing('P2036', String(error?.message ?? error))];
    }
    if (!client) return [504, userFacing('P2028', `Transaction API error: ${TOO_LATE}`, { error: TOO_LATE })];
    this.acquired.push(client);
    this.starting++;
    try {
      const answer = await this.engine.startTransaction(body);
      this.remember(JSON.parse(answer).id);
      return this.answer(answer);
    } finally {
      this.starting--;
      while (this.acquired.length > this.starting) this.acquired.pop().release();
    }
  }

  async commit(id) {
    return this.known.has(id) ? this.answer(await this.engine.commitTransaction(id)) : UNKNOWN;
  }

  async rollback(id) {
    return this.known.has(id) ? this.answer(await this.engine.rollbackTransaction(id)) : UNKNOWN;
  }

  // The engine panics if it is asked for a transaction that it never started.
  remember(id) {
    if (id) this.known.add(id);
    if (this.known.size > MAX_KNOWN) this.known.delete(this.known.values().next().value);
  }

  // Resolves to null after `ms`; a connection that arrives later goes back to the pool.
  acquire(ms) {
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => { late = true; resolve(null); }, ms);
      this.pool.connect().then(
        (client) => { clearTimeout(timer); if (late) client.release(); else resolve(client); },
        (error) => { clearTimeout(timer); if (!late) reject(error); },
      );
    });
  }

  answer(text) {
    const result = JSON.parse(text);
    if (result.id || !(result.error_code || result.is_panic || result.errors || result.error)) return [200, result];
    return [statusOf(result.message ?? result.error ?? ''), this.errors.mapError({ user_facing_error: result }).user_facing_error];
  }
}

function statusOf(message) {
  if (/Unable to start a transaction|acquire/i.test(message)) return 504;
  if (/not found/i.test(message)) return 404;
  return /already closed|expired|Transaction already/i.test(message) ? 422 : 500;
}

module.exports = { Transactions, useAcquiredConnections };
