'use strict';
// Reads the same command line and environment as Prisma's own query-engine binary.

const fs = require('node:fs');

/**
 * @param {string[]} argv arguments after the program name
 * @param {NodeJS.ProcessEnv} env
 * @returns {{port: number, host: string, metrics: boolean, rawQueries: boolean, logQueries: boolean,
 *            datamodel: string, overrides: {name: string, url: string}[], token?: string,
 *            parent: {ppid: number, pid?: number}}}
 * @throws {Error} if an option is missing or invalid
 */
function readOptions(argv, env) {
  const port = Number(value(argv, '-p', '--port'));
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error('missing or bad -p PORT');
  return {
    port,
    host: value(argv, '-H', '--host') ?? '127.0.0.1',
    metrics: argv.includes('--enable-metrics'),
    rawQueries: argv.includes('--enable-raw-queries'),
    logQueries: Boolean(env.LOG_QUERIES),
    datamodel: readDatamodel(env),
    overrides: env.OVERWRITE_DATASOURCES ? JSON.parse(env.OVERWRITE_DATASOURCES) : [],
    // Not in Prisma's binary: the token that requests need, and the process that the engine must not outlive.
    token: env.PRISMA_ENGINE_TOKEN || undefined,
    parent: { ppid: Number(env.PRISMA_ENGINE_PPID) || process.ppid, pid: Number(env.PRISMA_ENGINE_PARENT) || undefined },
  };
}

function value(argv, ...names) {
  const at = argv.findIndex((argument) => names.includes(argument));
  return at < 0 ? undefined : argv[at + 1];
}

function readDatamodel(env) {
  if (env.PRISMA_DML) return Buffer.from(env.PRISMA_DML, 'base64').toString();
  if (env.PRISMA_DML_PATH) return fs.readFileSync(env.PRISMA_DML_PATH, 'utf8');
  throw new Error('neither PRISMA_DML nor PRISMA_DML_PATH is set');
}

module.exports = { readOptions };
