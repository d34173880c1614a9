'use strict';
const assert = require('node:assert/strict');
const test = require('node:test');
const { untag, resultOf } = require('../src/answer.js');

test('tagged values become plain values, and floats keep their notation', () => {
  assert.equal(untag('{"a":{"$type":"Decimal","value":"1.50"},"b":700.0,"c":[{"$type":"DateTime","value":"2026-01-01T00:00:00.000Z"}]}'),
    '{"a":"1.50","b":700.0,"c":["2026-01-01T00:00:00.000Z"]}');
});

test('text that looks like a tag is left unchanged', () => {
  const text = JSON.stringify({ a: '{"$type":"Json","value":"x"}', b: 'ends with a backslash \\' });
  assert.equal(untag(text), text);
});

test('a tagged string with quotes and backslashes is copied in full', () => {
  const inner = JSON.stringify({ q: 'a"b\\', brace: '}' });
  assert.equal(untag(`{"x":{"$type":"Json","value":${JSON.stringify(inner)}},"y":1}`), `{"x":${JSON.stringify(inner)},"y":1}`);
});

test('only an answer with data has a result', () => {
  assert.equal(resultOf('{"data":{"findUniqueUser":{"id":"1"}}}', false), '{"data":{"result":{"id":"1"}}}');
  assert.equal(resultOf('{"errors":[]}', false), null);
});
