'use strict';
// Builds the type tables for the translator from the DMMF.

const OPERATION = /^(createOne|createMany|findUnique|findFirst|findMany|updateOne|updateMany|upsertOne|deleteOne|deleteMany|aggregate|groupBy)(.+?)(OrThrow)?$/;

/**
 * @returns {{inputs: Map, outputs: Map, root: Map, operations: Map<string, [model: string, action: string]>}}
 *   inputs: type → field → accepted types; outputs: type → field → {args, out}; root: operation → {args, out}
 */
function typeTable(dmmf) {
  const { inputObjectTypes, outputObjectTypes } = dmmf.schema;
  const inputs = new Map();
  for (const type of inputObjectTypes.prisma ?? []) inputs.set(type.name, new Map(type.fields.map((field) => [field.name, field.inputTypes])));
  const outputs = new Map();
  for (const type of [...(outputObjectTypes.prisma ?? []), ...(outputObjectTypes.model ?? [])]) outputs.set(type.name, new Map(type.fields.map(describeField)));
  const root = new Map([...(outputs.get('Query') ?? []), ...(outputs.get('Mutation') ?? [])]);
  return { inputs, outputs, root, operations: operationsOf(root, dmmf.datamodel.models) };
}

function describeField(field) {
  const args = new Map(field.args.map((arg) => [arg.name, arg.inputTypes]));
  const out = field.outputType.location === 'outputObjectTypes' ? field.outputType.type : null;
  return [field.name, { args, out }];
}

function operationsOf(root, models) {
  const names = new Set(models.map((model) => model.name));
  const operations = new Map();
  for (const key of root.keys()) {
    const match = OPERATION.exec(key);
    if (match && names.has(match[2])) operations.set(key, [match[2], match[1] + (match[3] ?? '')]);
  }
  return operations;
}

module.exports = { typeTable };
