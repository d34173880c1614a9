'use strict';
// When the engine ends: on a signal, and when its parent has died without one.

const { log } = require('./log.js');
const { isPanic } = require('./wasm.js');

const PARENT_POLL_MS = 500;
// A client asks /status several times a second until it is answered. If none comes, the client died before it could be noted as the parent.
const FIRST_REQUEST_MS = 30_000;
// The client waits for our end without a limit, so ours is short.
const GRACE_MS = 1500;
const LIMIT_MS = 2000;

/**
 * Whether the process that started the engine is gone.
 * @param {{ppid: number, pid?: number}} parent the parent at the spawn, and the process that said it is the client
 */
function isGone({ ppid, pid }) {
  if (process.ppid !== ppid) return true;
  if (pid === undefined || pid === ppid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** @param {{servers: import('node:http').Server[], pool: object, metrics: object, engine: object, parent: object}} parts */
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
  setInterval(() => { if (isGone(parts.parent)) end('the parent process is gone'); }, PARENT_POLL_MS).unref();
  const unasked = setTimeout(() => end('no client asked for anything'), FIRST_REQUEST_MS).unref();
  for (const server of parts.servers) server.once('request', () => clearTimeout(unasked));
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

module.exports = { endWhenTold, isGone };
