'use strict';
const assert = require('node:assert/strict');
const test = require('node:test');
const { ErrorMap } = require('../src/errors.js');

const address = { limit: 5, poolTimeoutS: 10, location: 'localhost:5432' };
const registryOf = (error) => ({ consumeError: () => error && { error } });

test('a refused connection is P1001, a closed one P1017, an exhausted pool P2024', () => {
  const errors = new ErrorMap(address, registryOf(null));
  assert.equal(errors.driver(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })).error_code, 'P1001');
  assert.equal(errors.driver(new Error('Connection terminated unexpectedly')).error_code, 'P1017');
  assert.equal(errors.driver(new Error('timeout exceeded when trying to connect')).error_code, 'P2024');
  assert.equal(errors.driver(new Error('something else')), null);
});

test('what the driver threw replaces the engine\'s "external connector" error', () => {
  const errors = new ErrorMap(address, registryOf(Object.assign(new Error('x'), { code: 'ECONNRESET' })));
  const mapped = errors.one({ user_facing_error: { error_code: 'P2036', meta: { id: 1 }, message: 'm' } });
  assert.equal(mapped.user_facing_error.error_code, 'P1001');
});

test('a deadlock is a write conflict that may be repeated', () => {
  const errors = new ErrorMap(address, registryOf(null));
  const mapped = errors.one({ error: 'PostgresError { code: "40P01", message: "deadlock detected" }', user_facing_error: { message: 'm' } });
  assert.equal(mapped.user_facing_error.error_code, 'P2034');
});

test('meta is always an object', () => {
  const errors = new ErrorMap(address, registryOf(null));
  assert.deepEqual(errors.one({ user_facing_error: { error_code: 'P2002', meta: null, message: 'm' } }).user_facing_error.meta, {});
});

test('a TLS failure has a code of its own', () => {
  const errors = new ErrorMap(address, registryOf(null));
  for (const code of ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'EPROTO', 'CERT_HAS_EXPIRED']) {
    assert.equal(errors.driver(Object.assign(new Error('x'), { code })).error_code, 'P1011');
  }
  assert.equal(errors.driver(new Error('The server does not support SSL connections')).error_code, 'P1011');
});
