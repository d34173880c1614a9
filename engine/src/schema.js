'use strict';
// The Prisma schema, read by Prisma's own parser: where the database is, and which types queries have.

const PARSER = '@prisma/prisma-schema-wasm';

/**
 * Use the parser, then let go of it: it is needed at the start only, and its memory is 30 MB.
 * @template T
 * @param {(psl: typeof import('@prisma/prisma-schema-wasm')) => T} read
 * @returns {T}
 */
function withParser(read) {
  try {
    return read(require(PARSER));
  } finally {
    const loaded = require.cache[require.resolve(PARSER)];
    delete require.cache[loaded.id];
    module.children = module.children.filter((child) => child !== loaded);
  }
}

/**
 * The database address: an override from the client, the schema's literal, or its environment variable.
 * @throws {Error} for another database than PostgreSQL, or without an address
 */
function databaseUrl(psl, datamodel, overrides, env) {
  const request = { prismaSchema: datamodel, datasourceOverrides: {}, ignoreEnvVarErrors: true, env: {} };
  const source = JSON.parse(psl.get_config(JSON.stringify(request))).config.datasources[0];
  if (!/^postgres/.test(source.activeProvider)) throw new Error(`this engine serves postgresql only, not ${source.activeProvider}`);
  const url = overrides.find((one) => one.name === source.name)?.url ?? source.url.value ?? env[source.url.fromEnvVar];
  if (!url) throw new Error(`Environment variable not found: ${source.url.fromEnvVar}`);
  return url;
}

/** Prisma's description of models, inputs, outputs and operations (the DMMF). */
function describe(psl, datamodel) {
  return JSON.parse(psl.get_dmmf(JSON.stringify({ prismaSchema: datamodel, noColor: true })));
}

module.exports = { databaseUrl, describe, withParser };
