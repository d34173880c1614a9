'use strict';
// From a Prisma-style database URL to node-pg's settings. Parameters: https://www.prisma.io/docs/orm/overview/databases/postgresql

const fs = require('node:fs');

// Prisma's own parameters that have no counterpart here; node-pg would take the rest as session settings.
const IGNORED = ['connect_timeout', 'statement_cache_size', 'sslidentity', 'sslpassword', 'single_use_connections'];

/**
 * @param {string} text the URL
 * @returns {{schema: string, limit: number, poolTimeoutS: number, prepare: boolean, location: string, pool: object}}
 */
function readAddress(text) {
  const url = new URL(text);
  const query = url.searchParams;
  const take = (name, fallback) => {
    const found = query.get(name);
    query.delete(name);
    return found === null ? fallback : found;
  };
  const schema = take('schema', 'public');
  const limit = Number(take('connection_limit', 10));
  const poolTimeoutS = Number(take('pool_timeout', 10));
  const socketTimeoutS = Number(take('socket_timeout', 0));
  // A transaction pooler hands each statement to another connection, where a prepared one is unknown.
  const prepare = take('pgbouncer', 'false') !== 'true';
  const pool = {
    ssl: readSsl(take),
    max: limit,
    idleTimeoutMillis: Number(take('max_idle_connection_lifetime', 300)) * 1000,
    maxLifetimeSeconds: Number(take('max_connection_lifetime', 0)),
    connectionTimeoutMillis: poolTimeoutS * 1000,
    query_timeout: socketTimeoutS ? socketTimeoutS * 1000 : undefined,
    keepAlive: true,
    application_name: take('application_name', 'prisma-engine'),
    // The adapter drops the offset of timestamps with a zone, so the session has to be in UTC.
    options: [take('options', ''), '-c TimeZone=UTC', `-c search_path=${escaped(`"${schema}"`)}`].filter(Boolean).join(' '),
  };
  for (const name of IGNORED) query.delete(name);
  return { schema, limit, poolTimeoutS, prepare, location: `${url.hostname}:${url.port || 5432}`, pool: { ...pool, connectionString: url.toString() } };
}

// libpq's "prefer" is not offered by node-pg: plain unless the URL asks for more.
function readSsl(take) {
  const mode = take('sslmode', 'prefer');
  const accept = take('sslaccept', 'accept_invalid_certs');
  const certificate = take('sslcert', null);
  if (!['require', 'verify-ca', 'verify-full'].includes(mode)) return undefined;
  const ssl = { rejectUnauthorized: accept === 'strict' || mode !== 'require' };
  return certificate ? { ...ssl, ca: fs.readFileSync(certificate, 'utf8') } : ssl;
}

const escaped = (text) => text.replace(/[\\ ]/g, '\\$&');

module.exports = { readAddress };
