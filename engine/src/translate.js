'use strict';
// Translates GraphQL-protocol queries to the JSON protocol of the WebAssembly engine, using the schema's types.
// GraphQL sends Json, DateTime, Bytes, Decimal and BigInt as plain strings; the JSON protocol expects {"$type": …}.
// Without the tag, Json would be stored double-encoded.

const { parse, QuerySyntaxError } = require('./graphql.js');

const NO_TYPES = [];
const TAGGED_STRINGS = ['Json', 'DateTime', 'Bytes', 'Decimal', 'BigInt'];
const tagged = (type, value) => ({ $type: type, value });

/**
 * @param {ReturnType<import('./types.js').typeTable>} table
 * @returns {(query: string) => {modelName?: string, action: string, query: object}}
 */
function translator(table) {
  const merged = new WeakMap();

  // Merges a list of accepted types: its scalars, and the fields of all its object types.
  function accepted(types) {
    let found = merged.get(types);
    if (found) return found;
    found = { scalars: new Set(), fields: new Map() };
    for (const type of types) {
      if (type.location === 'scalar') found.scalars.add(type.type);
      if (type.location !== 'inputObjectTypes') continue;
      for (const [name, inner] of table.inputs.get(type.type) ?? []) found.fields.set(name, [...(found.fields.get(name) ?? []), ...inner]);
    }
    merged.set(types, found);
    return found;
  }

  function value(node, types) {
    const { scalars, fields } = accepted(types);
    switch (node.kind) {
      case 'string': {
        const tag = TAGGED_STRINGS.find((type) => scalars.has(type));
        return tag ? tagged(tag, node.value) : node.value;
      }
      case 'int': return integer(node.value, scalars);
      case 'float': return scalars.has('Decimal') ? tagged('Decimal', node.value) : Number(node.value);
      case 'list': return node.value.map((item) => value(item, types));
      case 'object': return Object.fromEntries(node.value.map(([name, item]) => [name, value(item, fields.get(name) ?? NO_TYPES)]));
      default: return node.value;
    }
  }

  const args = (list, spec) => Object.fromEntries(list.map(([name, item]) => [name, value(item, spec?.get(name) ?? NO_TYPES)]));

  function selection(fields, type) {
    const spec = table.outputs.get(type);
    return Object.fromEntries(fields.map((field) => {
      const inner = spec?.get(field.name);
      if (field.selection) return [field.name, { arguments: args(field.args, inner?.args), selection: selection(field.selection, inner?.out) }];
      return [field.name, field.args.length ? { arguments: args(field.args, inner?.args), selection: {} } : true];
    }));
  }

  return (text) => {
    const field = parse(text);
    if (field.name === 'queryRaw' || field.name === 'executeRaw') return { action: field.name, query: { arguments: args(field.args), selection: {} } };
    const operation = table.operations.get(field.name);
    if (!operation) throw new QuerySyntaxError(`Unknown operation ${field.name}`);
    const spec = table.root.get(field.name);
    const [modelName, action] = operation;
    return { modelName, action, query: { arguments: args(field.args, spec?.args), selection: field.selection ? selection(field.selection, spec?.out) : { $scalars: true } } };
  };
}

function integer(digits, scalars) {
  if (scalars.has('BigInt')) return tagged('BigInt', digits);
  if (scalars.has('Decimal')) return tagged('Decimal', digits);
  const number = Number(digits);
  return scalars.has('Float') || Number.isSafeInteger(number) ? number : tagged('BigInt', digits);
}

module.exports = { translator };
