'use strict';
const assert = require('node:assert/strict');
const test = require('node:test');
const { readAddress } = require('../src/address.js');
const { connectWith } = require('../src/tls.js');

const kinds = (query) => readAddress(`postgresql://u@h/x?${query}`).tls.map((kind) => kind && kind.rejectUnauthorized);

test('each mode tries the same connections as libpq, in the same order', () => {
  assert.deepEqual(['', 'sslmode=prefer', 'sslmode=allow', 'sslmode=disable', 'sslmode=require', 'sslmode=verify-ca', 'sslmode=verify-full', 'sslmode=require&sslaccept=strict'].map(kinds),
    [[false, false], [false, false], [false, false], [false], [false], [true], [true], [true]]);
  assert.equal(readAddress('postgresql://u@h/x').tls[1], false);
  assert.equal(readAddress('postgresql://u@h/x?sslmode=allow').tls[0], false);
});

test('only verify-full and strict check the name of the server', () => {
  const [ca] = readAddress('postgresql://u@h/x?sslmode=verify-ca').tls;
  assert.equal(ca.checkServerIdentity(), undefined);
  for (const query of ['sslmode=verify-full', 'sslmode=require&sslaccept=strict']) {
    assert.equal(readAddress(`postgresql://u@h/x?${query}`).tls[0].checkServerIdentity, undefined);
  }
});

for (const query of ['sslmode=requird', 'sslmode=', 'sslmode=Require', 'sslaccept=strickt', 'sslmode=require&sslrootcert=/nowhere.pem']) {
  test(`refused: ${query}`, () => {
    assert.throws(() => readAddress(`postgresql://u@h/x?${query}`), /sslmode|sslaccept|nowhere/);
  });
}

/** A pool whose server accepts a connection only if `accepts(ssl)` is true. */
function poolFor(kind, accepts, error) {
  const pool = { options: { ssl: kind }, tried: [] };
  pool.connect = async () => {
    pool.tried.push(Boolean(pool.options.ssl));
    if (!accepts(pool.options.ssl)) throw error;
    return { release() {} };
  };
  return pool;
}

const NO_TLS = new Error('The server does not support SSL connections');

test('prefer falls back to no TLS if the server has none, and keeps that choice', async () => {
  const [tls, plain] = readAddress('postgresql://u@h/x').tls;
  const pool = poolFor(tls, (kind) => !kind, NO_TLS);
  connectWith(pool, [tls, plain]);
  await Promise.all([pool.connect(), pool.connect()]);
  await pool.connect();
  assert.deepEqual(pool.tried, [true, true, false, false, false]);
});

test('prefer returns to TLS once the server accepts nothing else', async () => {
  const [tls, plain] = readAddress('postgresql://u@h/x').tls;
  const pool = poolFor(plain, (kind) => kind, Object.assign(new Error('no pg_hba.conf entry'), { code: '28000' }));
  connectWith(pool, [tls, plain]);
  await pool.connect();
  assert.deepEqual(pool.tried, [false, true]);
});

test('a wrong password or a certificate that fails verification does not cause a fallback', async () => {
  for (const [query, error] of [['', { code: '28P01' }], ['sslaccept=strict', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }]]) {
    const [tls, plain] = readAddress(`postgresql://u@h/x?${query}`).tls;
    const pool = poolFor(tls, (kind) => !kind, Object.assign(new Error('x'), error));
    connectWith(pool, [tls, plain]);
    await assert.rejects(pool.connect());
    assert.deepEqual(pool.tried, [true]);
  }
});
