'use strict';
// The connection pool. It survives a restart of PostgreSQL, and each connection parses a statement only once.

const { createHash } = require('node:crypto');
const pg = require('pg');
const { quoted } = require('./address.js');
const { log } = require('./log.js');
const { connectWith } = require('./tls.js');

const MAX_PREPARED = 500;
const MAX_PREPARED_LENGTH = 8000;
const PREPARABLE = /^\s*(select|insert|update|delete|with)/i;

/** @param {ReturnType<import('./address.js').readAddress>} address */
function openPool(address) {
  const pool = new pg.Pool({ ...address.pool, Client: clientWith(address.startup) });
  // Without these listeners, the process would crash when the server closes a connection.
  pool.on('error', (error) => log('warn', `idle connection lost: ${error.code ?? error.name}`));
  pool.on('connect', (client) => {
    client.on('error', (error) => log('warn', `connection lost: ${error.code ?? error.name}`));
    client.setMaxListeners(50);
  });
  connectWith(pool, address.tls);
  if (address.prepare) prepareStatements();
  if (address.localSchema !== null) setSchemaInTransactions(pool, address.localSchema);
  return pool;
}

// Settings in the startup packet apply to the whole session and cost no round trip. node-pg supports only some of them.
function clientWith(startup) {
  return class extends pg.Client {
    getStartupConf() {
      return { ...super.getStartupConf(), ...startup };
    }
  };
}

// With a transaction pooler the schema must be set in each transaction, so every statement runs in one.
function setSchemaInTransactions(pool, schema) {
  const query = pg.Client.prototype.query;
  pg.Client.prototype.query = function (config, ...rest) {
    const result = query.call(this, config, ...rest);
    if ((config?.text ?? config) !== 'BEGIN') return result;
    return result.then(async (begun) => {
      await query.call(this, `SET LOCAL search_path = ${quoted(schema)}`);
      return begun;
    });
  };
  pool.query = async function (...args) {
    const client = await this.connect();
    try {
      await client.query('BEGIN');
      const result = await client.query(...args);
      await client.query('COMMIT');
      client.release();
      return result;
    } catch (error) {
      // If even the rollback fails, the connection is broken and must not be reused.
      await client.query('ROLLBACK').then(() => client.release(), (broken) => client.release(broken));
      throw error;
    }
  };
}

// Names the adapter's statements, so that PostgreSQL parses and plans each of them once per connection.
function prepareStatements() {
  const names = new Map();
  const query = pg.Client.prototype.query;
  pg.Client.prototype.query = function (config, ...rest) {
    if (isPreparable(config)) {
      let name = names.get(config.text);
      if (!name && names.size < MAX_PREPARED) {
        name = createHash('md5').update(config.text).digest('hex');
        names.set(config.text, name);
      }
      if (name) config.name = name;
    }
    return query.call(this, config, ...rest);
  };
}

function isPreparable(config) {
  return typeof config === 'object' && config !== null && config.rowMode === 'array' && !config.name
    && config.text?.length < MAX_PREPARED_LENGTH && PREPARABLE.test(config.text);
}

module.exports = { openPool };
