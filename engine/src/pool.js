'use strict';
// The connections to PostgreSQL: they outlive a server that restarts, and parse each statement once.

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
  // Without these listeners a connection that the server closes ends the process.
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

// Settings in the first packet hold for the whole session, and cost no request. node-pg offers only some of them.
function clientWith(startup) {
  return class extends pg.Client {
    getStartupConf() {
      return { ...super.getStartupConf(), ...startup };
    }
  };
}

// For a transaction pooler: the schema lasts no longer than the transaction, so every statement gets one.
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
      // Ends the transaction, too; if even that fails, the connection is of no more use.
      await client.query('ROLLBACK').then(() => client.release(), (broken) => client.release(broken));
      throw error;
    }
  };
}

// Gives the adapter's statements names, so that PostgreSQL parses and plans each text once a connection.
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
