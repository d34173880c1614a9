'use strict';
// Metrics under the original engine's names:
// https://www.prisma.io/docs/orm/prisma-client/observability-and-logging/metrics
// The WebAssembly build of the engine does not include its own.

const pg = require('pg');

const BUCKETS_MS = [0, 1, 5, 10, 50, 100, 500, 1000, 5000, 50000];

class Histogram {
  constructor(description) {
    this.description = description;
    this.sum = 0;
    this.count = 0;
    this.buckets = new Array(BUCKETS_MS.length + 1).fill(0);
  }

  add(ms) {
    this.sum += ms;
    this.count++;
    const bucket = BUCKETS_MS.findIndex((limit) => ms <= limit);
    this.buckets[bucket < 0 ? BUCKETS_MS.length : bucket]++;
  }
}

class Metrics {
  constructor(pool) {
    this.pool = pool;
    this.queries = 0;
    this.statements = 0;
    this.active = 0;
    this.queryMs = new Histogram('The distribution of the time Prisma Client queries took to run end to end');
    this.statementMs = new Histogram('The distribution of the time datasource queries took to run');
    this.waitMs = new Histogram('The distribution of the time all datasource queries spent waiting for a free connection');
    this.observeStatements();
    this.observeWaits();
  }

  /** Runs one request, counts it as active and records its duration. */
  async during(run) {
    this.active++;
    const started = performance.now();
    try {
      return await run();
    } finally {
      this.active--;
      this.queryMs.add(performance.now() - started);
    }
  }

  observeStatements() {
    const metrics = this;
    const query = pg.Client.prototype.query;
    pg.Client.prototype.query = function (...args) {
      metrics.statements++;
      const started = performance.now();
      const result = query.apply(this, args);
      result?.then?.(() => metrics.statementMs.add(performance.now() - started), () => {});
      return result;
    };
  }

  observeWaits() {
    const connect = this.pool.connect.bind(this.pool);
    this.pool.connect = (callback) => {
      const started = performance.now();
      const record = () => this.waitMs.add(performance.now() - started);
      if (callback) return connect((...results) => { record(); callback(...results); });
      return connect().then((client) => { record(); return client; });
    };
  }

  rows() {
    const { totalCount, idleCount, waitingCount } = this.pool;
    return {
      counters: [
        ['prisma_client_queries_total', this.queries, 'The total number of Prisma Client queries executed'],
        ['prisma_datasource_queries_total', this.statements, 'The total number of datasource queries executed'],
        ['prisma_pool_connections_opened_total', totalCount, 'The total number of pool connections opened'],
      ],
      gauges: [
        ['prisma_client_queries_active', this.active, 'The number of currently active Prisma Client queries'],
        ['prisma_client_queries_wait', waitingCount, 'The number of datasource queries currently waiting for a free connection'],
        ['prisma_pool_connections_busy', totalCount - idleCount, 'The number of pool connections currently executing datasource queries'],
        ['prisma_pool_connections_idle', idleCount, 'The number of pool connections that are not busy running a query'],
        ['prisma_pool_connections_open', totalCount, 'The number of pool connections currently open'],
      ],
      histograms: [
        ['prisma_client_queries_duration_histogram_ms', this.queryMs],
        ['prisma_client_queries_wait_histogram_ms', this.waitMs],
        ['prisma_datasource_queries_duration_histogram_ms', this.statementMs],
      ],
    };
  }

  json(labels) {
    const { counters, gauges, histograms } = this.rows();
    const plain = ([key, value, description]) => ({ key, labels, value, description });
    return {
      counters: counters.map(plain),
      gauges: gauges.map(plain),
      histograms: histograms.map(([key, h]) => plain([key, { buckets: BUCKETS_MS.map((limit, i) => [limit, h.buckets[i]]), sum: h.sum, count: h.count }, h.description])),
    };
  }

  prometheus(labels) {
    const { counters, gauges, histograms } = this.rows();
    const common = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    const labelled = (...more) => ([...common, ...more].length ? `{${[...common, ...more].join(',')}}` : '');
    const lines = [];
    const head = (key, description, type) => lines.push(`# HELP ${key} ${description}`, `# TYPE ${key} ${type}`);
    for (const [rows, type] of [[counters, 'counter'], [gauges, 'gauge']]) {
      for (const [key, value, description] of rows) {
        head(key, description, type);
        lines.push(`${key}${labelled()} ${value}`, '');
      }
    }
    for (const [key, h] of histograms) {
      head(key, h.description, 'histogram');
      let total = 0;
      BUCKETS_MS.forEach((limit, i) => lines.push(`${key}_bucket${labelled(`le="${limit}"`)} ${(total += h.buckets[i])}`));
      lines.push(`${key}_bucket${labelled('le="+Inf"')} ${h.count}`, `${key}_sum${labelled()} ${h.sum}`, `${key}_count${labelled()} ${h.count}`, '');
    }
    return lines.join('\n');
  }
}

module.exports = { Metrics };
