'use strict';
// The HTTP server: on the loopback only, connections are kept until the client closes them.

const http = require('node:http');
const { log } = require('./log.js');
const { isPanic } = require('./wasm.js');

const BACKLOG = 4096;
// Node's 5 s default for idle connections races with httpx, whose own is 5 s too.
const NEVER = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, connectionsCheckingInterval: 60_000 };

/** @returns {Promise<http.Server>} listening; rejects if the port is taken */
function listen(protocol, guard, port, host) {
  return new Promise((resolve, reject) => {
    const server = http.createServer({ keepAlive: true, noDelay: true, ...NEVER }, (request, response) => receive(protocol, guard, request, response));
    server.keepAliveTimeout = 0;
    server.timeout = 0;
    server.once('error', reject);
    server.listen(port, host, BACKLOG, () => resolve(server));
  });
}

function receive(protocol, guard, request, response) {
  const refusal = guard(request.headers, request.url);
  if (refusal) {
    request.resume(); // unread, so that the connection can be used again
    send(response, ...refusal);
    return;
  }
  const chunks = [];
  request.on('error', () => {}); // the client went away
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    const body = chunks.length === 1 ? chunks[0].toString() : Buffer.concat(chunks).toString();
    const [status, answer] = await answerTo(protocol, request, body);
    send(response, status, answer);
  });
}

async function answerTo(protocol, request, body) {
  try {
    return await protocol.route(request.method, request.url, request.headers, body);
  } catch (error) {
    log('error', `request failed: ${error?.stack ?? error}`);
    if (isPanic(error)) protocol.engine.restart();
    return [500, { is_panic: isPanic(error), message: String(error?.message ?? error), meta: {}, error_code: 'P2037' }];
  }
}

// A string is JSON already; {text} is plain text.
function send(response, status, answer) {
  const isPlain = typeof answer === 'object' && typeof answer.text === 'string';
  const data = Buffer.from(isPlain ? answer.text : typeof answer === 'string' ? answer : JSON.stringify(answer));
  response.writeHead(status, { 'content-type': isPlain ? 'text/plain; version=0.0.4' : 'application/json', 'content-length': data.length });
  response.end(data);
}

module.exports = { listen };
