'use strict';
// Converts a Prisma-style database URL to node-pg settings.
// Parameters: https://www.prisma.io/docs/orm/overview/databases/postgresql

const { readTls } = require('./tls.js');

// Prisma parameters with no counterpart here. Left in the URL, node-pg would send them as session settings.
const IGNORED = ['connect_timeout', 'statement_cache_size', 'single_use_connections'];

/**
 * @param {string} text the URL
 * @returns {{schema: string, limit: number, poolTimeoutS: number, prepare: boolean,
 *            localSchema: string | null, location: string, startup: object, tls: object[], pool: object}}
 *   startup: session settings sent in the startup packet; tls: the TLS settings to try, in order;
 *   localSchema: the schema to set in each transaction, or null
 * @throws {Error} if the URL or its TLS mode is invalid
 */
function readAddress(text) {
  const url = new URL(text);
  const query = url.searchParams;
  const take = (name, fallback) => {
    const found = query.get(name);
    query.delete(name);
    return found === null ? fallback : found;
  };
  const named = take('schema', null);
  const schema = named ?? 'public';
  const limit = Number(take('connection_limit', 10));
  const poolTimeoutS = Number(take('pool_timeout', 10));
  const socketTimeoutS = Number(take('socket_timeout', 0));
  const isPooled = take('pgbouncer', 'false') === 'true';
  const tls = readTls(take);
  const pool = {
    ssl: tls[0],
    max: limit,
    idleTimeoutMillis: Number(take('max_idle_connection_lifetime', 300)) * 1000,
    maxLifetimeSeconds: Number(take('max_connection_lifetime', 0)),
    connectionTimeoutMillis: poolTimeoutS * 1000,
    query_timeout: socketTimeoutS ? socketTimeoutS * 1000 : undefined,
    keepAlive: true,
    application_name: take('application_name', 'prisma-engine'),
    options: take('options', undefined),
  };
  for (const name of IGNORED) query.delete(name);
  // A transaction pooler may run each transaction in a different session. Statements prepared in one
  // session do not exist in the next, and PgBouncer tracks the time zone setting but not the schema.
  return {
    schema,
    limit,
    poolTimeoutS,
    prepare: !isPooled,
    localSchema: isPooled ? named : null,
    location: `${url.hostname}:${url.port || 5432}`,
    // The adapter drops the UTC offset of timestamptz values, so the session must be in UTC.
    startup: { TimeZone: 'UTC', ...(isPooled ? {} : { search_path: quoted(schema) }) },
    tls,
    pool: { ...pool, connectionString: url.toString() },
  };
}

/** Quotes a SQL identifier. */
const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

module.exports = { quoted, readAddress };
