'use strict';
// Parses the subset of GraphQL that Prisma Client Python sends.
// A value is {kind: 'int'|'float'|'string'|'boolean'|'enum'|'null'|'list'|'object', value}.
// The value of a number is its text, so that no digits are lost.

class QuerySyntaxError extends Error {}

const NUMBER = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;
const NAME = /[A-Za-z0-9_]+/y;
// GraphQL ignores white space, commas and comments.
const IGNORED = /(?:[\s,\uFEFF]|#[^\n]*)*/y;
const WORDS = { true: { kind: 'boolean', value: true }, false: { kind: 'boolean', value: false }, null: { kind: 'null', value: null } };

class Parser {
  constructor(source) {
    this.source = source;
    this.at = 0;
  }

  /** @returns {{name: string, args: [string, object][], selection: object[] | null}} the only root field */
  document() {
    if (this.peek() !== '{') this.name(); // "query" or "mutation"
    const fields = this.selection();
    this.skip();
    if (this.at < this.source.length) this.fail('Unexpected trailing text');
    if (fields.length !== 1) this.fail('Expected one root field');
    return fields[0];
  }

  selection() {
    return this.until('{', '}', () => this.field());
  }

  field() {
    let name = this.name();
    if (this.peek() === ':') { // skip an alias; the client does not rely on it
      this.at++;
      name = this.name();
    }
    const args = this.peek() === '(' ? this.until('(', ')', () => this.pair()) : [];
    return { name, args, selection: this.peek() === '{' ? this.selection() : null };
  }

  pair() {
    const name = this.name();
    this.expect(':');
    return [name, this.value()];
  }

  value() {
    const next = this.peek();
    if (next === '"') return { kind: 'string', value: this.string() };
    if (next === '[') return { kind: 'list', value: this.until('[', ']', () => this.value()) };
    if (next === '{') return { kind: 'object', value: this.until('{', '}', () => this.pair()) };
    if (next === '-' || (next >= '0' && next <= '9')) return this.number();
    const word = this.name();
    return Object.hasOwn(WORDS, word) ? WORDS[word] : { kind: 'enum', value: word };
  }

  number() {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.source);
    if (!match) this.fail('Bad number');
    this.at = NUMBER.lastIndex;
    return { kind: match[1] || match[2] ? 'float' : 'int', value: match[0] };
  }

  // The client writes strings with Python's json.dumps, so JSON.parse can read them.
  string() {
    const start = this.at++;
    for (;;) {
      const code = this.source.charCodeAt(this.at);
      if (Number.isNaN(code)) this.fail('Unterminated string');
      if (code === 92) this.at += 2;
      else if (code === 34) break;
      else this.at++;
    }
    this.at++;
    try {
      return JSON.parse(this.source.slice(start, this.at));
    } catch {
      return this.fail('Bad string');
    }
  }

  until(open, close, item) {
    this.expect(open);
    const items = [];
    while (this.peek() !== close) {
      if (this.at >= this.source.length) this.fail(`Expected "${close}"`);
      items.push(item());
    }
    this.at++;
    return items;
  }

  name() {
    this.skip();
    NAME.lastIndex = this.at;
    const match = NAME.exec(this.source);
    if (!match) this.fail('Expected a name');
    this.at = NAME.lastIndex;
    return match[0];
  }

  peek() {
    this.skip();
    return this.source[this.at];
  }

  expect(character) {
    if (this.peek() !== character) this.fail(`Expected "${character}"`);
    this.at++;
  }

  skip() {
    IGNORED.lastIndex = this.at;
    IGNORED.exec(this.source);
    this.at = IGNORED.lastIndex;
  }

  fail(message) {
    throw new QuerySyntaxError(`${message} at offset ${this.at}`);
  }
}

/** @throws {QuerySyntaxError} */
function parse(source) {
  if (typeof source !== 'string') throw new QuerySyntaxError('Expected a query');
  return new Parser(source).document();
}

module.exports = { parse, QuerySyntaxError };
