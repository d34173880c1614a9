'use strict';
// The connections to PostgreSQL: they outlive a server that restarts, and parse each statement once.

const { createHash } = require('node:crypto');
const pg = require('pg');
const { log } = require('./log.js');

const MAX_PREPARED = 500;
const MAX_PREPARED_LENGTH = 8000;
const PREPARABLE = /^\s*(select|insert|update|delete|with)/i;

/** @param {{pool: object, prepare: boolean}} address */
function openPool(address) {
  const pool = new pg.Pool(address.pool);
  // Without these listeners a connection that the server closes ends the process.
  pool.on('error', (error) => log('warn', `idle connection lost: ${error.code ?? error.name}`));
  pool.on('connect', (client) => {
    client.on('error', (error) => log('warn', `connection lost: ${error.code ?? error.name}`));
    client.setMaxListeners(50);
  });
  if (address.prepare) prepareStatements();
  return pool;
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
