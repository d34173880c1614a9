'use strict';
const assert = require('node:assert/strict');
const test = require('node:test');
const { readAddress } = require('../src/address.js');

test('Prisma parameters become pool settings and are removed from the URL', () => {
  const address = readAddress('postgresql://u:p%40@db.example:6543/x?schema=app&connection_limit=3&pool_timeout=4&pgbouncer=true&sslmode=require');
  assert.equal(address.schema, 'app');
  assert.equal(address.limit, 3);
  assert.equal(address.prepare, false);
  assert.equal(address.location, 'db.example:6543');
  assert.equal(address.pool.connectionTimeoutMillis, 4000);
  assert.equal(address.pool.ssl.rejectUnauthorized, false);
  assert.equal(address.tls.length, 1);
  assert.equal(address.pool.connectionString, 'postgresql://u:p%40@db.example:6543/x');
});

test('the session is in UTC and in the schema, whatever its name', () => {
  const { startup } = readAddress('postgresql://u@h/x?schema=my%20%22schema');
  assert.deepEqual(startup, { TimeZone: 'UTC', search_path: '"my ""schema"' });
});

test('behind PgBouncer the startup packet contains only settings that it tracks, and a named schema is set in each transaction', () => {
  const plain = readAddress('postgresql://u@h/x?pgbouncer=true');
  assert.deepEqual([plain.startup, plain.localSchema, plain.pool.options], [{ TimeZone: 'UTC' }, null, undefined]);
  const named = readAddress('postgresql://u@h/x?pgbouncer=true&schema=app');
  assert.deepEqual([named.startup, named.localSchema, named.schema], [{ TimeZone: 'UTC' }, 'app', 'app']);
});

test('the defaults are those of the original engine', () => {
  const { schema, limit, poolTimeoutS, prepare } = readAddress('postgresql://u@h/x');
  assert.deepEqual([schema, limit, poolTimeoutS, prepare], ['public', 10, 10, true]);
});
