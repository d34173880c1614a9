'use strict';
const fs = require('node:fs');
// Writes log lines in the original engine's format: one JSON object per line, on stderr. Query values are never logged.

const LEVELS = { error: 0, warn: 1, info: 2, debug: 3, trace: 3 };
const threshold = LEVELS[(process.env.RUST_LOG ?? 'error').split(',')[0]] ?? LEVELS.error;

function log(level, message, fields = {}) {
  if (LEVELS[level] > threshold) return;
  const line = { timestamp: new Date().toISOString(), level: level.toUpperCase(), fields: { message, ...fields }, target: 'query_engine' };
  try {
    // Not process.stderr: opening it makes a pipe non-blocking, for the client too.
    fs.writeSync(2, JSON.stringify(line) + '\n');
  } catch {
    // Nobody reads the pipe, or it is full.
  }
}

/** Logs why the engine cannot start, and exits. Prisma Client Python shows this line. */
function die(message) {
  log('error', message);
  process.exit(1);
}

module.exports = { log, die };
