'use strict';
// Reads the Prisma schema with Prisma's own parser: the database URL and the types of queries.

const PARSER = '@prisma/prisma-schema-wasm';

/**
 * Loads the parser, uses it and unloads it: it is needed only at startup and takes 30 MB of memory.
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
 * Returns the database URL: the client's override, the literal in the schema, or the environment variable it names.
 * @throws {Error} if the database is not PostgreSQL or has no URL
 */
function databaseUrl(psl, datamodel, overrides, env) {
  const request = { prismaSchema: datamodel, datasourceOverrides: {}, ignoreEnvVarErrors: true, env: {} };
  const source = JSON.parse(psl.get_config(JSON.stringify(request))).config.datasources[0];
  if (!/^postgres/.test(source.activeProvider)) throw new Error(`this engine serves postgresql only, not ${source.activeProvider}`);
  const url = overrides.find((override) => override.name === source.name)?.url ?? source.url.value ?? env[source.url.fromEnvVar];
  if (!url) throw new Error(`Environment variable not found: ${source.url.fromEnvVar}`);
  return url;
}

/** Returns Prisma's description of models, inputs, outputs and operations (the DMMF). */
function describe(psl, datamodel) {
  return JSON.parse(psl.get_dmmf(JSON.stringify({ prismaSchema: datamodel, noColor: true })));
}

module.exports = { databaseUrl, describe, withParser };
