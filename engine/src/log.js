'use strict';
const fs = require('node:fs');
// Log lines as the original engine writes them: one JSON object a line, on stderr. Never a query's values.

const LEVELS = { error: 0, warn: 1, info: 2, debug: 3, trace: 3 };
const threshold = LEVELS[(process.env.RUST_LOG ?? 'error').split(',')[0]] ?? LEVELS.error;

function log(level, message, fields = {}) {
  if (LEVELS[level] > threshold) return;
  const line = { timestamp: new Date().toISOString(), level: level.toUpperCase(), fields: { message, ...fields }, target: 'query_engine' };
  try {
    // Not process.stderr: opening it makes a pipe non-blocking, for the client as well.
    fs.writeSync(2, JSON.stringify(line) + '\n');
  } catch {
    // Nobody reads it, or not fast enough.
  }
}

/** Say why the engine cannot start, and end. Prisma Client Python shows this line. */
function die(message) {
  log('error', message);
  process.exit(1);
}

module.exports = { log, die };
