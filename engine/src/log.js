'use strict';
// Log lines as the original engine writes them: one JSON object a line, on stderr. Never a query's values.

const LEVELS = { error: 0, warn: 1, info: 2, debug: 3, trace: 3 };
const threshold = LEVELS[(process.env.RUST_LOG ?? 'error').split(',')[0]] ?? LEVELS.error;

function log(level, message, fields = {}) {
  if (LEVELS[level] > threshold) return;
  const line = { timestamp: new Date().toISOString(), level: level.toUpperCase(), fields: { message, ...fields }, target: 'query_engine' };
  process.stderr.write(JSON.stringify(line) + '\n');
}

/** Say why the engine cannot start, and end. Prisma Client Python shows this line. */
function die(message) {
  log('error', message);
  process.exit(1);
}

module.exports = { log, die };
