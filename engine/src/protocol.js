'use strict';
// Handles the requests of Prisma Client Python: queries, batches, transactions, status and metrics.

const { QuerySyntaxError } = require('./graphql.js');
const { resultOf } = require('./answer.js');
const { failed } = require('./errors.js');
const { proofFor } = require('./guard.js');

const TRANSACTION = /^\/transaction\/([^/]+)\/(commit|rollback)$/;

class Protocol {
  constructor({ options, translate, engine, transactions, metrics, errors }) {
    Object.assign(this, { options, translate, engine, transactions, metrics, errors });
  }

  /** @returns {Promise<[status: number, body: object | string]>} a string is sent unchanged */
  async route(method, url, headers, body) {
    await this.engine.ready();
    if (method === 'POST') {
      if (url === '/') return [200, await this.metrics.during(() => this.run(body, headers['x-transaction-id']))];
      if (url === '/transaction/start') return this.transactions.start(body);
      const match = TRANSACTION.exec(url);
      if (match) return this.transactions[match[2]](match[1]);
    } else if (url === '/status') {
      return [200, { status: 'ok', pid: process.pid, ...proofFor(this.options.token, headers) }];
    } else if (url.startsWith('/metrics') && this.options.metrics) {
      const labels = body ? JSON.parse(body) : {};
      return [200, url.includes('format=prometheus') ? { text: this.metrics.prometheus(labels) } : this.metrics.json(labels)];
    }
    return [404, { error: 'not found' }];
  }

  async run(body, transactionId) {
    try {
      const request = JSON.parse(body);
      if (request === null || typeof request !== 'object') return failed('P2009', 'Failed to validate the query: an object is expected');
      return request.batch ? await this.batch(request, transactionId) : await this.single(request.query, transactionId);
    } catch (error) {
      if (error instanceof QuerySyntaxError || error instanceof SyntaxError) return failed('P2009', `Failed to validate the query: \`${error.message}\``);
      throw error;
    }
  }

  async single(text, transactionId) {
    this.metrics.queries++;
    const query = this.translate(text);
    const isRaw = !query.modelName;
    if (isRaw && !this.options.rawQueries) return failed('P2010', 'raw queries are disabled');
    const answer = await this.engine.query(query, transactionId);
    return resultOf(answer, isRaw) ?? this.errors.answer(answer);
  }

  async batch(request, transactionId) {
    if (!request.batch.length) return { batchResult: [] };
    this.metrics.queries += request.batch.length;
    const queries = request.batch.map((item) => this.translate(item.query));
    const transaction = request.transaction ? { isolationLevel: request.isolation_level ?? null } : undefined;
    const answer = await this.engine.query({ batch: queries, transaction }, transactionId);
    const results = JSON.parse(answer).batchResult;
    if (!results) return this.errors.answer(answer);
    return { batchResult: results.map((result, i) => this.batchItem(JSON.stringify(result), !queries[i].modelName)) };
  }

  batchItem(text, isRaw) {
    const result = resultOf(text, isRaw);
    return result === null ? this.errors.answer(text) : JSON.parse(result);
  }
}

module.exports = { Protocol };
