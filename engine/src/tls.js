'use strict';
// TLS to PostgreSQL, negotiated like libpq: https://www.postgresql.org/docs/current/libpq-ssl.html

const fs = require('node:fs');
const { isTlsFailure } = require('./errors.js');

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
const ACCEPTS = ['strict', 'accept_invalid_certs'];
// SQLSTATE reported if pg_hba.conf has no entry for this kind of connection.
const NOT_AUTHORIZED = '28000';

/**
 * @param {(name: string, fallback: any) => any} take removes a parameter from the URL and returns its value
 * @returns {(object | false)[]} the settings to try, in order: Node's TLS settings, or false for no TLS
 * @throws {Error} if the mode is unknown or a file cannot be read
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
  // Like libpq: a CA certificate that is given is always used, but only "verify-full" checks the server's name.
  const verify = accept === 'strict' || mode.startsWith('verify-') || root !== null;
  const named = accept === 'strict' || mode === 'verify-full';
  // In Prisma, sslcert is the CA certificate. In libpq it is the client's certificate, which comes with a key.
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

// A certificate that failed verification is never a reason to try the other kind.
const mayTryOther = (error, tried) => error?.code === NOT_AUTHORIZED
  || (tried.rejectUnauthorized ? /does not support SSL/.test(error?.message ?? '') : isTlsFailure(error));

/**
 * Makes a pool try the second TLS setting if the server does not accept the first, and keep the one that worked.
 * @param pool a node-pg pool
 * @param {(object | false)[]} kinds one or two TLS settings
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
