'use strict';
// Reports errors with the original engine's messages and codes:
// https://www.prisma.io/docs/orm/reference/error-reference

const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT']);
const TLS_CODES = /^(EPROTO|ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY|DECRYPT)_|HOSTNAME_MISMATCH)/;
const TLS_TEXTS = /does not support SSL|establishing an SSL connection|before secure TLS connection/;
// SQLSTATEs for which the WebAssembly engine has no error code.
const SQLSTATES = { '40P01': 'P2034', 40001: 'P2034', '57P01': 'P1017', '57P02': 'P1017', '57P03': 'P1001', 53300: 'P2037' };
const SERVER_ERROR = /PostgresError \{ code: "(\w{5})", message: "((?:[^"\\]|\\.)*)"/;
const CONFLICT = 'Transaction failed due to a write conflict or a deadlock. Please retry your transaction';

/** Builds the body of an error. meta is always an object, because Prisma Client Python calls .get() on it. */
function userFacing(code, message, meta) {
  return { is_panic: false, message, meta: meta ?? {}, error_code: code };
}

/** Builds an answer with one error. */
function failed(code, message, meta) {
  return { errors: [{ error: message, user_facing_error: userFacing(code, message, meta) }] };
}

/** Whether TLS itself failed: it is not offered, there is no common version, or a certificate was rejected. */
function isTlsFailure(error) {
  return TLS_CODES.test(error?.code ?? '') || TLS_TEXTS.test(error?.message ?? '');
}

/**
 * Maps errors of the driver and the WebAssembly engine to Prisma errors.
 * @param address location and limits of the database, for the messages
 * @param registry the bound adapter's registry of errors that the driver threw
 */
class ErrorMap {
  constructor(address, registry) {
    this.address = address;
    this.registry = registry;
  }

  /** Maps an error thrown by the driver; null if it is unknown. */
  fromDriver(error) {
    const text = String(error?.message ?? error);
    const { limit, poolTimeoutS, location } = this.address;
    if (/timeout exceeded when trying to connect/.test(text)) {
      const message = `Timed out fetching a new connection from the connection pool. (Current connection pool timeout: ${poolTimeoutS}, connection limit: ${limit})`;
      return userFacing('P2024', message, { connection_limit: limit, timeout: poolTimeoutS });
    }
    if (isTlsFailure(error)) return userFacing('P1011', `Error opening a TLS connection: ${text}`, { message: text });
    if (UNREACHABLE.has(error?.code) || error?.errors?.some?.((inner) => UNREACHABLE.has(inner.code))) {
      return userFacing('P1001', `Can't reach database server at \`${location}\``, { database_location: location });
    }
    if (/Connection terminated|not queryable|Client has encountered|Client was closed/.test(text)) {
      return userFacing('P1017', 'Server has closed the connection.');
    }
    const code = SQLSTATES[error?.code];
    return code ? userFacing(code, `${text} (${error.code})`, { code: error.code, message: text }) : null;
  }

  /** Maps one error of an engine answer. */
  mapError(error) {
    const mapped = this.translate(error);
    if (mapped.user_facing_error && !mapped.user_facing_error.meta) mapped.user_facing_error.meta = {};
    return mapped;
  }

  translate(error) {
    const facing = error.user_facing_error;
    if (facing?.error_code === 'P2036') { // "Error in external connector (id N)"
      const found = this.registry.consumeError(facing.meta?.id);
      if (!found) return error;
      const known = this.fromDriver(found.error) ?? userFacing('P2036', String(found.error?.message ?? found.error));
      return { ...error, error: known.message, user_facing_error: known };
    }
    if (facing?.error_code) return error;
    const match = SERVER_ERROR.exec(error.error ?? facing?.message ?? '');
    const code = match && SQLSTATES[match[1]];
    if (!code) return error;
    const message = code === 'P2034' ? CONFLICT : `${match[2]} (${match[1]})`;
    return { ...error, user_facing_error: userFacing(code, message, { code: match[1], message: match[2] }) };
  }

  /** Maps the errors in the text of an answer to the form that the client reads. */
  answer(text) {
    const errors = JSON.parse(text).errors ?? failed('P2037', text).errors;
    return { errors: errors.map((error) => this.mapError(error)) };
  }
}

module.exports = { ErrorMap, failed, isTlsFailure, userFacing };
