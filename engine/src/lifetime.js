'use strict';
// When the engine ends: on a signal, and when its parent has died without one.

const { log } = require('./log.js');
const { isPanic } = require('./wasm.js');

const PARENT_POLL_MS = 500;
// The client waits for our end without a limit, so ours is short.
const GRACE_MS = 1500;
const LIMIT_MS = 2000;

/** @param {{servers: import('node:http').Server[], pool: object, metrics: object, engine: object}} parts */
function endWhenTold(parts) {
  let ending = false;
  async function end(why) {
    if (ending) return;
    ending = true;
    log('info', `stopping: ${why}`);
    setTimeout(() => process.exit(0), LIMIT_MS).unref();
    for (const server of parts.servers) {
      server.close();
      server.closeIdleConnections();
    }
    const until = Date.now() + GRACE_MS;
    while (parts.metrics.active && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
    await parts.pool.end().catch(() => {});
    process.exit(0);
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(signal));
  const parent = process.ppid;
  setInterval(() => { if (process.ppid !== parent) end('the parent process is gone'); }, PARENT_POLL_MS).unref();
  surviveMishaps(parts.engine);
}

function surviveMishaps(engine) {
  process.on('uncaughtException', (error) => {
    log('error', `uncaught: ${error?.stack ?? error}`);
    if (isPanic(error)) engine.restart();
  });
  process.on('unhandledRejection', (error) => {
    log('error', `unhandled: ${error?.stack ?? error}`);
    if (isPanic(error)) engine.restart();
  });
  // A parent that is gone no longer reads.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
}

module.exports = { endWhenTold };
