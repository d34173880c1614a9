'use strict';
// Prisma's query engine in its WebAssembly form, started anew after a panic.

const fs = require('node:fs');
const runtime = require('@prisma/client/runtime/query_engine_bg.postgresql.js');
const { log, die } = require('./log.js');

// The second argument of every engine call: trace headers, which nobody sends.
const NO_TRACE = '{}';

class WasmEngine {
  /** @param adapter the bound adapter through which the engine reaches PostgreSQL */
  constructor(datamodel, adapter, logQueries) {
    const file = require.resolve('@prisma/client/runtime/query_engine_bg.postgresql.wasm');
    this.module = new WebAssembly.Module(fs.readFileSync(file));
    this.config = { datamodel, logLevel: logQueries ? 'info' : 'error', logQueries, engineProtocol: 'json', datasourceOverrides: {}, env: {} };
    this.adapter = adapter;
    this.restarting = null;
  }

  async start() {
    const instance = new WebAssembly.Instance(this.module, { './query_engine_bg.js': runtime });
    runtime.__wbg_set_wasm(instance.exports);
    const engine = new runtime.QueryEngine(this.config, (line) => this.onLog(line), this.adapter);
    await engine.connect(NO_TRACE);
    this.engine = engine;
  }

  /** A panic leaves the instance unusable: replace it. Requests wait in `ready()` meanwhile. */
  restart() {
    if (this.restarting) return;
    log('error', 'the engine panicked; starting it anew');
    this.restarting = this.start()
      .catch((error) => die(`restart failed: ${error?.message ?? error}`))
      .finally(() => { this.restarting = null; });
  }

  async ready() {
    if (this.restarting) await this.restarting;
  }

  query(request, transactionId) {
    return this.engine.query(JSON.stringify(request), NO_TRACE, transactionId);
  }

  startTransaction(options) {
    return this.engine.startTransaction(options, NO_TRACE);
  }

  commitTransaction(id) {
    return this.engine.commitTransaction(id, NO_TRACE);
  }

  rollbackTransaction(id) {
    return this.engine.rollbackTransaction(id, NO_TRACE);
  }

  // With LOG_QUERIES the original prints each statement, without its values.
  onLog(text) {
    if (!this.config.logQueries) return;
    try {
      const line = JSON.parse(text);
      if (line.item_type !== 'query' && !line.is_query) return;
      const fields = { query: line.query, duration_ms: line.duration_ms, item_type: 'query' };
      process.stdout.write(JSON.stringify({ level: 'INFO', fields }) + '\n');
    } catch {
      // not JSON: nothing to show
    }
  }
}

const isPanic = (error) => error instanceof WebAssembly.RuntimeError || /unreachable|panicked|recursive use of an object/.test(String(error?.message));

module.exports = { WasmEngine, isPanic };
