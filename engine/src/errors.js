'use strict';
// Errors in the original engine's words and codes: https://www.prisma.io/docs/orm/reference/error-reference

const GONE = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT']);
const TLS_CODES = /^(EPROTO|ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY|DECRYPT)_|HOSTNAME_MISMATCH)/;
const TLS_TEXTS = /does not support SSL|establishing an SSL connection|before secure TLS connection/;
// What PostgreSQL reports that the WebAssembly engine has no code for.
const SQLSTATES = { '40P01': 'P2034', 40001: 'P2034', '57P01': 'P1017', '57P02': 'P1017', '57P03': 'P1001', 53300: 'P2037' };
const SERVER_ERROR = /PostgresError \{ code: "(\w{5})", message: "((?:[^"\\]|\\.)*)"/;
const CONFLICT = 'Transaction failed due to a write conflict or a deadlock. Please retry your transaction';

/** The body of an error. meta is always an object: Prisma Client Python calls .get() on it. */
function userFacing(code, message, meta) {
  return { is_panic: false, message, meta: meta ?? {}, error_code: code };
}

/** An answer with one error. */
function failed(code, message, meta) {
  return { errors: [{ error: message, user_facing_error: userFacing(code, message, meta) }] };
}

/** Whether TLS itself failed: not offered, no common version, a certificate that is not accepted. */
function isTlsFailure(error) {
  return TLS_CODES.test(error?.code ?? '') || TLS_TEXTS.test(error?.message ?? '');
}

/** Maps errors by where the database is (`address`) and what the driver threw (`registry`, of the bound adapter). */
class ErrorMap {
  constructor(address, registry) {
    this.address = address;
    this.registry = registry;
  }

  /** An error thrown by the driver itself, not reported by the server; null if it is not known. */
  driver(error) {
    const text = String(error?.message ?? error);
    const { limit, poolTimeoutS, location } = this.address;
    if (/timeout exceeded when trying to connect/.test(text)) {
      const message = `Timed out fetching a new connection from the connection pool. (Current connection pool timeout: ${poolTimeoutS}, connection limit: ${limit})`;
      return userFacing('P2024', message, { connection_limit: limit, timeout: poolTimeoutS });
    }
    if (isTlsFailure(error)) return userFacing('P1011', `Error opening a TLS connection: ${text}`, { message: text });
    if (GONE.has(error?.code) || error?.errors?.some?.((one) => GONE.has(one.code))) {
      return userFacing('P1001', `Can't reach database server at \`${location}\``, { database_location: location });
    }
    if (/Connection terminated|not queryable|Client has encountered|Client was closed/.test(text)) {
      return userFacing('P1017', 'Server has closed the connection.');
    }
    const code = SQLSTATES[error?.code];
    return code ? userFacing(code, `${text} (${error.code})`, { code: error.code, message: text }) : null;
  }

  /** One error of an engine's answer. */
  one(error) {
    const mapped = this.mapped(error);
    if (mapped.user_facing_error && !mapped.user_facing_error.meta) mapped.user_facing_error.meta = {};
    return mapped;
  }

  mapped(error) {
    const facing = error.user_facing_error;
    if (facing?.error_code === 'P2036') { // "Error in external connector (id N)"
      const found = this.registry.consumeError(facing.meta?.id);
      if (!found) return error;
      const known = this.driver(found.error) ?? userFacing('P2036', String(found.error?.message ?? found.error));
      return { ...error, error: known.message, user_facing_error: known };
    }
    if (facing?.error_code) return error;
    const match = SERVER_ERROR.exec(error.error ?? facing?.message ?? '');
    const code = match && SQLSTATES[match[1]];
    if (!code) return error;
    const message = code === 'P2034' ? CONFLICT : `${match[2]} (${match[1]})`;
    return { ...error, user_facing_error: userFacing(code, message, { code: match[1], message: match[2] }) };
  }

  /** The errors of an answer's text, in the form the client reads. */
  answer(text) {
    const errors = JSON.parse(text).errors ?? failed('P2037', text).errors;
    return { errors: errors.map((error) => this.one(error)) };
  }
}

module.exports = { ErrorMap, failed, isTlsFailure, userFacing };
