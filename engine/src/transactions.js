'use strict';
// Interactive transactions. The WebAssembly engine does not enforce max_wait, and a wait that it gave up on would keep its connection
// for good. So the connection is acquired here, under max_wait, and handed over when the engine asks for one.

const { userFacing } = require('./errors.js');

const DEFAULT_MAX_WAIT_MS = 2000;
const MAX_KNOWN = 10_000;
const NOT_FOUND = "Transaction not found. Transaction ID is invalid, refers to an old closed transaction Prisma doesn't have information about anymore, or was obtained before disconnecting.";
const UNKNOWN = [404, userFacing('P2028', `Transaction API error: ${NOT_FOUND}`, { error: NOT_FOUND })];
const TOO_LATE = 'Unable to start a transaction in the given time.';

/**
 * Make the adapter begin transactions on connections from the returned queue. To be called before the adapter is bound.
 * @param base the PrismaPg adapter
 * @returns {object[]} the queue, first in, first out
 */
function beginOnAcquired(base) {
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
      return [500, this.errors.driver(error) ?? userFacing('P2036', String(error?.message ?? error))];
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

  // The engine panics when asked for a transaction that it never started.
  remember(id) {
    if (id) this.known.add(id);
    if (this.known.size > MAX_KNOWN) this.known.delete(this.known.values().next().value);
  }

  // null after `ms`; a connection that comes later goes back to the pool.
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
    return [statusOf(result.message ?? result.error ?? ''), this.errors.one({ user_facing_error: result }).user_facing_error];
  }
}

function statusOf(message) {
  if (/Unable to start a transaction|acquire/i.test(message)) return 504;
  if (/not found/i.test(message)) return 404;
  return /already closed|expired|Transaction already/i.test(message) ? 422 : 500;
}

module.exports = { Transactions, beginOnAcquired };
