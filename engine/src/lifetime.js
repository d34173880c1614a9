'use strict';
// Stops the engine on a signal, and when its parent has died without sending one.

const { log } = require('./log.js');
const { isPanic } = require('./wasm.js');

const PARENT_POLL_MS = 500;
// A client polls /status several times a second until it gets an answer. If no request comes, the client died
// before the engine could record it as the parent.
const FIRST_REQUEST_MS = 30_000;
// The client waits for the engine to exit without a time limit, so the engine keeps its own limit short.
const GRACE_MS = 1500;
const LIMIT_MS = 2000;

/**
 * Whether the process that started the engine has exited.
 * @param {{ppid: number, pid?: number}} parent the parent process at start, and the client process that was named
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

/**
 * Shuts down gracefully on a signal, or when the parent process has exited.
 * @param {{servers: import('node:http').Server[], pool: object, metrics: object, engine: object, parent: object}} parts
 */
function exitOnSignal(parts) {
  let stopping = false;
  async function stop(why) {
    if (stopping) return;
    stopping = true;
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
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(signal));
  setInterval(() => { if (isGone(parts.parent)) stop('the parent process is gone'); }, PARENT_POLL_MS).unref();
  const unused = setTimeout(() => stop('no client has sent a request'), FIRST_REQUEST_MS).unref();
  for (const server of parts.servers) server.once('request', () => clearTimeout(unused));
  logUncaught(parts.engine);
}

/** Logs uncaught errors instead of exiting, and restarts the engine after a panic. */
function logUncaught(engine) {
  process.on('uncaughtException', (error) => {
    log('error', `uncaught: ${error?.stack ?? error}`);
    if (isPanic(error)) engine.restart();
  });
  process.on('unhandledRejection', (error) => {
    log('error', `unhandled: ${error?.stack ?? error}`);
    if (isPanic(error)) engine.restart();
  });
  // Once the parent has exited, nobody reads these pipes.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
}

module.exports = { exitOnSignal, isGone };
