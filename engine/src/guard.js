'use strict';
// Access control: the port is reachable by every program and every web page on this machine.

const { timingSafeEqual, createHash, createHmac } = require('node:crypto');

const HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;
const JSON_TYPE = /^application\/json\s*(;|$)/i;

// Header with the client's nonce for proofFor. Node lower-cases header names.
const NONCE = 'x-engine-nonce';

const digest = (text) => createHash('sha256').update(text).digest();

/**
 * @param {{token?: string, host: string}} options
 * @returns {(headers: import('node:http').IncomingHttpHeaders, url?: string) => [status: number, body: object] | null}
 *   the refusal, or null if the request is allowed. /status with a nonce needs no token, so that a client does not
 *   have to send its token to a server that has not proved its identity.
 */
function guardFor({ token, host }) {
  const expected = token && digest(`Bearer ${token}`);
  return (headers, url) => {
    // Web pages send Origin with every request that could carry a query; our clients never do.
    if (headers.origin !== undefined) return refused(403, 'requests from web pages are refused');
    // Blocks DNS rebinding: a web page's own host name that resolves to the loopback address.
    if (!HOST.test(headers.host ?? '') && !isOwn(headers.host, host)) return refused(403, 'the Host is not this machine');
    // Prisma Client Python sends no content type.
    const type = headers['content-type'];
    if (type !== undefined && !JSON_TYPE.test(type)) return refused(415, 'the content type is not application/json');
    const asksForProof = url === '/status' && headers[NONCE] !== undefined;
    if (expected && !asksForProof && !timingSafeEqual(digest(headers.authorization ?? ''), expected)) return refused(401, 'the token is missing or wrong');
    return null;
  };
}

// With -H, the address that the engine listens on.
const isOwn = (header, host) => header !== undefined && header.replace(/:\d+$/, '') === host;

const refused = (status, error) => [status, { error }];

/** Proves to a client that this server knows the token: the HMAC of its nonce. Empty without a token or a nonce. */
function proofFor(token, headers) {
  const nonce = headers[NONCE];
  return token && nonce ? { proof: createHmac('sha256', token).update(nonce).digest('hex') } : {};
}

module.exports = { guardFor, proofFor };
