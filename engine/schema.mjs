// node engine/schema.mjs ddl|drift|migrate
//   ddl:     print the tables of schema.prisma as SQL
//   drift:   compare them with the database
//   migrate: apply the migrations to the database
// DATABASE_URL names the database. The work is done by the WebAssembly build of Prisma's own schema engine.
import fs from 'node:fs';
import { createHash, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const here = path.dirname(fileURLToPath(import.meta.url));
const schemaFile = path.join(here, '..', 'schema.prisma');
const migrationsDir = path.join(here, '..', 'migrations');
// The lock and the table of Prisma Migrate, so that `prisma migrate deploy` sees the migrations applied here.
const MIGRATE_LOCK = 72707369;
const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)`;

const commands = { ddl, drift, migrate };
const [command, url = process.env.DATABASE_URL] = process.argv.slice(2);
if (!Object.hasOwn(commands, command ?? '')) end('usage: node engine/schema.mjs ddl|drift|migrate [postgresql://…]', 2);
if (!url) end('DATABASE_URL is not set', 2);
try {
  process.exit(await commands[command]());
} catch (error) {
  end(`${command} failed: ${error?.message ?? error}`, 1);
}

/** Prints the SQL that creates the tables in an empty database. */
async function ddl() {
  const { engine, datamodel, filters } = await schemaEngine();
  const { stdout } = await engine.diff({ from: { tag: 'empty' }, to: datamodel, script: true, shadowDatabaseUrl: null, exitCode: null, filters });
  process.stdout.write(stdout);
  return 0;
}

/** Returns 0 if the database has exactly the tables of schema.prisma; prints the differences and returns 2 if not. */
async function drift() {
  const { engine, datamodel, files, filters } = await schemaEngine();
  const from = { tag: 'schemaDatasource', files, configDir: '/' };
  const { stdout, exitCode } = await engine.diff({ from, to: datamodel, script: false, shadowDatabaseUrl: null, exitCode: true, filters });
  process.stdout.write(stdout);
  return exitCode;
}

/** Applies the pending migrations. Safe to run again, and safe to run concurrently. */
async function migrate() {
  const client = new pg.Client({ connectionString: withoutPrismaParameters(url) });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATE_LOCK]);
    await refuseForeignTables(client);
    await client.query(MIGRATIONS_TABLE);
    const { rows } = await client.query('SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL');
    const applied = new Set(rows.map((row) => row.migration_name));
    for (const name of migrationNames()) if (!applied.has(name)) await apply(client, name);
  } finally {
    await client.end();
  }
  return 0;
}

async function apply(client, name) {
  const sql = fs.readFileSync(path.join(migrationsDir, name, 'migration.sql'), 'utf8');
  const checksum = createHash('sha256').update(sql).digest('hex');
  await client.query('BEGIN');
  await client.query(sql);
  await client.query(
    'INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ($1, $2, now(), $3, 1)',
    [randomUUID(), checksum, name],
  );
  await client.query('COMMIT');
  console.log(`applied ${name}`);
}

// A database created by the Next.js application already has the tables, under that application's migrations.
// Nothing is changed there: its schema belongs to that application.
async function refuseForeignTables(client) {
  const { rows: [found] } = await client.query("SELECT to_regclass('speaking_sessions') IS NOT NULL AS tables, to_regclass('_prisma_migrations') IS NOT NULL AS migrations");
  const ours = found.migrations && (await client.query('SELECT 1 FROM _prisma_migrations WHERE migration_name = ANY($1)', [migrationNames()])).rowCount > 0;
  if (found.tables && !ours) {
    console.log('the tables already exist and were created by another application: nothing was changed; compare them with: node engine/schema.mjs drift');
    await client.end();
    process.exit(0);
  }
}

function migrationNames() {
  return fs.readdirSync(migrationsDir, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
}

async function schemaEngine() {
  const require = createRequire(import.meta.url);
  presentCatalogTypesAsText(require('pg/lib/result'));
  leaveOutNotNullConstraints();
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const { PrismaPg } = require('prisma-6-adapter-pg');
  const { bindMigrationAwareSqlAdapterFactory } = require('prisma-6-driver-adapter-utils');
  const folder = path.dirname(require.resolve('@prisma/schema-engine-wasm'));
  const { instance } = await WebAssembly.instantiate(fs.readFileSync(path.join(folder, 'schema_engine_bg.wasm')), { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  const content = fs.readFileSync(schemaFile, 'utf8');
  const files = [{ path: schemaFile, content }];
  const schema = new URL(url).searchParams.get('schema') ?? 'public';
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: withoutPrismaParameters(url) }, { schema }));
  const engine = await bindings.SchemaEngine.new({ datamodels: [[schemaFile, content]] }, () => {}, adapter);
  return { engine, files, datamodel: { tag: 'schemaDatamodel', files }, filters: { externalTables: [], externalEnums: [] } };
}

// https://github.com/prisma/orm/issues/27403: the adapter cannot map the catalog's types "char" (18) and name (19).
function presentCatalogTypesAsText(Result) {
  const addFields = Result.prototype.addFields;
  Result.prototype.addFields = function (fields) {
    for (const field of fields) if (field.dataTypeID === 18 || field.dataTypeID === 19) field.dataTypeID = 25;
    return addFields.call(this, fields);
  };
}

// PostgreSQL 18 lists NOT NULL as a constraint of type 'n', which this version of the schema engine reports as a
// corrupt catalog.
function leaveOutNotNullConstraints() {
  const query = pg.Client.prototype.query;
  pg.Client.prototype.query = function (config, ...rest) {
    if (typeof config?.text === 'string') config.text = config.text.replace("contype NOT IN ('p', 'u', 'f')", "contype NOT IN ('p', 'u', 'f', 'n')");
    return query.call(this, config, ...rest);
  };
}

function withoutPrismaParameters(text) {
  const plain = new URL(text);
  for (const name of ['schema', 'connection_limit', 'pool_timeout', 'connect_timeout', 'socket_timeout', 'pgbouncer', 'sslaccept']) plain.searchParams.delete(name);
  return plain.toString();
}

function end(message, code) {
  console.error(message);
  process.exit(code);
}
