'use strict';
const assert = require('node:assert/strict');
const test = require('node:test');
const { guardFor, proofFor } = require('../src/guard.js');

const open = guardFor({ host: '127.0.0.1' });
const status = (guard, headers) => guard({ host: 'localhost:4466', ...headers })?.[0] ?? 200;

test('a client on this machine is allowed', () => {
  for (const host of ['localhost', 'localhost:4466', '127.0.0.1:4466', '[::1]:4466']) assert.equal(status(open, { host }), 200);
  for (const type of ['application/json', 'application/json; charset=utf-8']) assert.equal(status(open, { 'content-type': type }), 200);
});

test('a web page is refused, whatever it sends', () => {
  for (const origin of ['https://evil.example', 'http://localhost:4466', 'null', '']) assert.equal(status(open, { origin }), 403);
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:4466', 'x@localhost', '', undefined]) {
    assert.equal(status(open, { host }), 403);
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonp', '']) {
    assert.equal(status(open, { 'content-type': type }), 415);
  }
});

test('with a token set, only a client that knows it is allowed', () => {
  const guard = guardFor({ host: '127.0.0.1', token: 'secret' });
  assert.equal(status(guard, { authorization: 'Bearer secret' }), 200);
  for (const authorization of ['Bearer secre', 'bearer secret', 'secret', '', undefined]) assert.equal(status(guard, { authorization }), 401);
});

test('/status with a nonce needs no token, and its answer proves that the server knows it', () => {
  const guard = guardFor({ host: '127.0.0.1', token: 'secret' });
  const asking = { host: 'localhost', 'x-engine-nonce': 'nonce' };
  assert.equal(guard(asking, '/status'), null);
  assert.equal(guard(asking, '/')[0], 401);
  assert.equal(guard({ host: 'localhost' }, '/status')[0], 401);
  assert.deepEqual([proofFor('secret', {}), proofFor(undefined, asking)], [{}, {}]);
  assert.equal(proofFor('secret', asking).proof, '042df25f9d1981866dfcab8bce6f4e3721168616b0a02d94a879c29e9f710b58');
});

test('the configured listen address is accepted as a Host', () => {
  assert.equal(status(guardFor({ host: '10.0.0.5' }), { host: '10.0.0.5:4466' }), 200);
});
