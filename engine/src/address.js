'use strict';
// From a Prisma-style database URL to node-pg's settings. Parameters: https://www.prisma.io/docs/orm/overview/databases/postgresql

const { readTls } = require('./tls.js');

// Prisma's own parameters that have no counterpart here; node-pg would take the rest as session settings.
const IGNORED = ['connect_timeout', 'statement_cache_size', 'single_use_connections'];

/**
 * @param {string} text the URL
 * @returns {{schema: string, limit: number, poolTimeoutS: number, prepare: boolean, localSchema: string | null, location: string,
 *            startup: object, tls: object[], pool: object}}
 *   startup: session settings of the first packet; tls: what to try, in this order; localSchema: to be set in each transaction
 * @throws {Error} for a URL or a TLS mode that does not exist
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
  // A transaction pooler hands each transaction to another session: a statement that was prepared in one is unknown in the next,
  // and of the session's settings PgBouncer keeps track of the time zone, but not of the schema.
  return {
    schema,
    limit,
    poolTimeoutS,
    prepare: !isPooled,
    localSchema: isPooled ? named : null,
    location: `${url.hostname}:${url.port || 5432}`,
    // The adapter drops the offset of timestamps with a zone, so the session has to be in UTC.
    startup: { TimeZone: 'UTC', ...(isPooled ? {} : { search_path: quoted(schema) }) },
    tls,
    pool: { ...pool, connectionString: url.toString() },
  };
}

/** An identifier as SQL writes it. */
const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

module.exports = { quoted, readAddress };
