'use strict';
// Assembles the engine's components and starts it.

const { PrismaPg } = require('@prisma/adapter-pg');
const { bindAdapter } = require('@prisma/driver-adapter-utils');
const { readAddress } = require('./address.js');
const { presentKnownTypes } = require('./columns.js');
const { ErrorMap } = require('./errors.js');
const { guardFor } = require('./guard.js');
const { exitOnSignal, isGone } = require('./lifetime.js');
const { log, die } = require('./log.js');
const { Metrics } = require('./metrics.js');
const { readOptions } = require('./options.js');
const { openPool } = require('./pool.js');
const { Protocol } = require('./protocol.js');
const { databaseUrl, describe, withParser } = require('./schema.js');
const { listen } = require('./server.js');
const { Transactions, useAcquiredConnections } = require('./transactions.js');
const { translator } = require('./translate.js');
const { typeTable } = require('./types.js');
const { WasmEngine } = require('./wasm.js');

async function main() {
  const options = readOptions(process.argv.slice(2), process.env);
  if (isGone(options.parent)) die('the parent process is gone');
  const { url, types } = withParser((psl) => ({
    url: databaseUrl(psl, options.datamodel, options.overrides, process.env),
    types: typeTable(describe(psl, options.datamodel)),
  }));
  const address = readAddress(url);
  presentKnownTypes();
  const pool = openPool(address);
  const metrics = new Metrics(pool);
  const base = new PrismaPg(pool, { schema: address.schema });
  const acquired = useAcquiredConnections(base);
  const adapter = bindAdapter(base);
  const errors = new ErrorMap(address, adapter.errorRegistry);
  const engine = new WasmEngine(options.datamodel, adapter, options.logQueries);
  const transactions = new Transactions({ pool, acquired, engine, errors });
  const translate = translator(types);
  await engine.start();
  // Most of what startup allocated is garbage now; without a collection the heap would keep its size.
  // The launcher enables global.gc with --expose-gc.
  global.gc?.();
  const protocol = new Protocol({ options, translate, engine, transactions, metrics, errors });
  const guard = guardFor(options);
  const servers = [await listen(protocol, guard, options.port, options.host)];
  // "localhost" may resolve to either address.
  if (options.host === '127.0.0.1') servers.push(...(await listen(protocol, guard, options.port, '::1').then((server) => [server], () => [])));
  exitOnSignal({ servers, pool, metrics, engine, parent: options.parent });
  log('info', `ready on ${options.port}`);
}

main().catch((error) => die(`cannot start: ${error?.message ?? error}`));
