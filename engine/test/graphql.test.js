'use strict';
const assert = require('node:assert/strict');
const test = require('node:test');
const { parse, QuerySyntaxError } = require('../src/graphql.js');

test('a query in the format of the client is parsed with its arguments and selection', () => {
  const field = parse('query {\n  result: findUniqueUser\n  (\n    where: {\n      id: "a\\"b"\n    }\n  )\n  {\n    id\n    name\n  }\n}');
  assert.equal(field.name, 'findUniqueUser');
  assert.deepEqual(field.args, [['where', { kind: 'object', value: [['id', { kind: 'string', value: 'a"b' }]] }]]);
  assert.deepEqual(field.selection.map((one) => one.name), ['id', 'name']);
});

test('numbers keep their digits, and words get the right kind', () => {
  const [[, list]] = parse('mutation { a(x: [1, -2.50, 1e3, true, null, DESC]) }').args;
  assert.deepEqual(list.value.map((one) => [one.kind, one.value]), [['int', '1'], ['float', '-2.50'], ['float', '1e3'], ['boolean', true], ['null', null], ['enum', 'DESC']]);
});

test('escapes and line separators in strings are preserved', () => {
  const text = 'a\u2028b\u0085c\\n"\u{1F3A4}\ud800';
  const [[, value]] = parse(`{ a(x: ${JSON.stringify(text)}) }`).args;
  assert.equal(value.value, text);
});

for (const text of ['', '{', '{ a(', '{ a(x: ) }', '{ a(x: "', '{ a(x: "\\q") }', '{ a } b', '{ a b }', 'query { a(x: [1 }', '}', '{ a(x: -) }', '\u0000', undefined, 5]) {
  test(`invalid text is a syntax error: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parse(text), QuerySyntaxError);
  });
}
