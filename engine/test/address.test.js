'use strict';
const assert = require('node:assert/strict');
const test = require('node:test');
const { readAddress } = require('../src/address.js');

test('Prisma parameters become settings of the pool and leave the URL', () => {
  const address = readAddress('postgresql://u:p%40@db.example:6543/x?schema=app&connection_limit=3&pool_timeout=4&pgbouncer=true&sslmode=require');
  assert.equal(address.schema, 'app');
  assert.equal(address.limit, 3);
  assert.equal(address.prepare, false);
  assert.equal(address.location, 'db.example:6543');
  assert.equal(address.pool.connectionTimeoutMillis, 4000);
  assert.deepEqual(address.pool.ssl, { rejectUnauthorized: false });
  assert.equal(address.pool.connectionString, 'postgresql://u:p%40@db.example:6543/x');
});

test('the session is in UTC and in the schema, whatever its name', () => {
  const { pool } = readAddress('postgresql://u@h/x?schema=my%20schema');
  assert.match(pool.options, /-c TimeZone=UTC/);
  assert.ok(pool.options.includes('search_path="my\\ schema"'));
});

test('defaults are those of the original engine', () => {
  const { schema, limit, poolTimeoutS, prepare, pool } = readAddress('postgresql://u@h/x');
  assert.deepEqual([schema, limit, poolTimeoutS, prepare, pool.ssl], ['public', 10, 10, true, undefined]);
});
