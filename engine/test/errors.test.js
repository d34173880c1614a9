'use strict';
const assert = require('node:assert/strict');
const test = require('node:test');
const { ErrorMap } = require('../src/errors.js');

const address = { limit: 5, poolTimeoutS: 10, location: 'localhost:5432' };
const registryOf = (error) => ({ consumeError: () => error && { error } });

test('a refused connection is P1001, a closed connection P1017, and an exhausted pool P2024', () => {
  const errors = new ErrorMap(address, registryOf(null));
  assert.equal(errors.fromDriver(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })).error_code, 'P1001');
  assert.equal(errors.fromDriver(new Error('Connection terminated unexpectedly')).error_code, 'P1017');
  assert.equal(errors.fromDriver(new Error('timeout exceeded when trying to connect')).error_code, 'P2024');
  assert.equal(errors.fromDriver(new Error('something else')), null);
});

test('the driver error replaces the engine\'s "external connector" error', () => {
  const errors = new ErrorMap(address, registryOf(Object.assign(new Error('x'), { code: 'ECONNRESET' })));
  const mapped = errors.mapError({ user_facing_error: { error_code: 'P2036', meta: { id: 1 }, message: 'm' } });
  assert.equal(mapped.user_facing_error.error_code, 'P1001');
});

test('a deadlock is reported as a write conflict, which may be retried', () => {
  const errors = new ErrorMap(address, registryOf(null));
  const mapped = errors.mapError({ error: 'PostgresError { code: "40P01", message: "deadlock detected" }', user_facing_error: { message: 'm' } });
  assert.equal(mapped.user_facing_error.error_code, 'P2034');
});

test('meta is always an object', () => {
  const errors = new ErrorMap(address, registryOf(null));
  assert.deepEqual(errors.mapError({ user_facing_error: { error_code: 'P2002', meta: null, message: 'm' } }).user_facing_error.meta, {});
});

test('a TLS failure has its own code', () => {
  const errors = new ErrorMap(address, registryOf(null));
  for (const code of ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'EPROTO', 'CERT_HAS_EXPIRED']) {
    assert.equal(errors.fromDriver(Object.assign(new Error('x'), { code })).error_code, 'P1011');
  }
  assert.equal(errors.fromDriver(new Error('The server does not support SSL connections')).error_code, 'P1011');
});
