'use strict';
// TLS to PostgreSQL, asked for as libpq does: https://www.postgresql.org/docs/current/libpq-ssl.html

const fs = require('node:fs');
const { isTlsFailure } = require('./errors.js');

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
const ACCEPTS = ['strict', 'accept_invalid_certs'];
// pg_hba.conf has no entry for this kind of connection.
const NOT_AUTHORIZED = '28000';

/**
 * @param {(name: string, fallback: any) => any} take a parameter of the URL
 * @returns {(object | false)[]} node's TLS settings, or false for none, in the order in which they are to be tried
 * @throws {Error} for an unknown mode or a file that cannot be read
 */
function readTls(take) {
  const mode = oneOf(MODES, 'sslmode', take('sslmode', 'prefer'));
  const accept = oneOf(ACCEPTS, 'sslaccept', take('sslaccept', 'accept_invalid_certs'));
  const key = take('sslkey', null);
  const certificate = take('sslcert', null);
  const root = take('sslrootcert', null);
  const identity = take('sslidentity', null);
  const passphrase = take('sslpassword', undefined);
  if (mode === 'disable') return [false];
  // As in libpq an authority that is named is also used, but only "verify-full" compares the server's name.
  const verify = accept === 'strict' || mode.startsWith('verify-') || root !== null;
  const named = accept === 'strict' || mode === 'verify-full';
  // Prisma calls the authority sslcert, libpq the client's own certificate, which comes with a key.
  const authority = root ?? (key === null ? certificate : null);
  const settings = {
    rejectUnauthorized: verify,
    ...(named ? {} : { checkServerIdentity: () => undefined }),
    ...(authority === null || authority === 'system' ? {} : { ca: read(authority) }),
    ...(key === null ? {} : { key: read(key), cert: certificate === null ? undefined : read(certificate), passphrase }),
    ...(identity === null ? {} : { pfx: read(identity), passphrase }),
  };
  return { allow: [false, settings], prefer: [settings, false] }[mode] ?? [settings];
}

function oneOf(known, name, value) {
  if (!known.includes(value)) throw new Error(`${name} in the database URL is none of ${known.join(', ')}`);
  return value;
}

const read = (file) => fs.readFileSync(file);

// A certificate that was to be checked and is wrong is a reason to stop.
const mayTryOther = (error, tried) => error?.code === NOT_AUTHORIZED
  || (tried.rejectUnauthorized ? /does not support SSL/.test(error?.message ?? '') : isTlsFailure(error));

/**
 * Make a pool try the second kind of connection where the first fails for what it is, and stay with the one that worked.
 * @param pool of node-pg
 * @param {(object | false)[]} kinds one or two settings of TLS
 */
function connectWith(pool, kinds) {
  const [first, second] = kinds;
  if (second === undefined) return;
  const connect = pool.connect.bind(pool);
  async function attempt() {
    const tried = pool.options.ssl;
    try {
      return await connect();
    } catch (error) {
      if (!mayTryOther(error, tried)) throw error;
      pool.options.ssl = tried === first ? second : first;
      return connect();
    }
  }
  pool.connect = (callback) => {
    const connected = attempt();
    if (!callback) return connected;
    return connected.then((client) => callback(undefined, client, client.release), (error) => callback(error, undefined, () => {}));
  };
}

module.exports = { connectWith, readTls };
