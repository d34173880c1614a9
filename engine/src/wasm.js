'use strict';
// Prisma's query engine in its WebAssembly build, restarted after a panic.

const fs = require('node:fs');
const { log, die } = require('./log.js');

const RUNTIME = require.resolve('@prisma/client/runtime/query_engine_bg.postgresql.js');

// Second argument of every engine call: trace headers. The client sends none.
const NO_TRACE = '{}';

class WasmEngine {
  /** @param adapter the bound adapter through which the engine reaches PostgreSQL */
  constructor(datamodel, adapter, logQueries) {
    const file = require.resolve('@prisma/client/runtime/query_engine_bg.postgresql.wasm');
    this.module = new WebAssembly.Module(fs.readFileSync(file));
    this.config = { datamodel, logLevel: logQueries ? 'info' : 'error', logQueries, engineProtocol: 'json', datasourceOverrides: {}, env: {} };
    this.adapter = adapter;
    this.restarting = null;
    this.waiting = new Set();
  }

  async start() {
    // The glue code keeps the instance's state in its module, so a new instance needs a fresh module.
    delete require.cache[RUNTIME];
    const runtime = require(RUNTIME);
    const instance = new WebAssembly.Instance(this.module, { './query_engine_bg.js': runtime });
    runtime.__wbg_set_wasm(instance.exports);
    const engine = new runtime.QueryEngine(this.config, (line) => this.onLog(line), this.adapter);
    await engine.connect(NO_TRACE);
    this.engine = engine;
  }

  /**
   * Replaces the instance after a panic, which leaves it unusable.
   * Pending calls fail now; new requests wait in `ready()`.
   */
  restart() {
    if (this.restarting) return;
    log('error', 'the engine panicked; restarting it');
    for (const fail of this.waiting) fail(new WebAssembly.RuntimeError('the engine panicked'));
    this.restarting = this.start()
      .catch((error) => die(`restart failed: ${error?.message ?? error}`))
      .finally(() => { this.restarting = null; });
  }

  async ready() {
    if (this.restarting) await this.restarting;
  }

  query(request, transactionId) {
    return this.answered(this.engine.query(JSON.stringify(request), NO_TRACE, transactionId));
  }

  startTransaction(options) {
    return this.answered(this.engine.startTransaction(options, NO_TRACE));
  }

  commitTransaction(id) {
    return this.answered(this.engine.commitTransaction(id, NO_TRACE));
  }

  rollbackTransaction(id) {
    return this.answered(this.engine.rollbackTransaction(id, NO_TRACE));
  }

  // A panic during a call is thrown elsewhere, and the promise of the call itself never settles.
  answered(call) {
    return new Promise((resolve, reject) => {
      this.waiting.add(reject);
      call.then(resolve, reject).finally(() => this.waiting.delete(reject));
    });
  }

  // With LOG_QUERIES set, the original engine prints each statement without its values.
  onLog(text) {
    if (!this.config.logQueries) return;
    try {
      const line = JSON.parse(text);
      if (line.item_type !== 'query' && !line.is_query) return;
      const fields = { query: line.query, duration_ms: line.duration_ms, item_type: 'query' };
      process.stdout.write(JSON.stringify({ level: 'INFO', fields }) + '\n');
    } catch {
      // not JSON: nothing to print
    }
  }
}

const isPanic = (error) => error instanceof WebAssembly.RuntimeError || /unreachable|panicked|recursive use of an object/.test(String(error?.message));

module.exports = { WasmEngine, isPanic };
