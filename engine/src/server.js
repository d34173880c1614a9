'use strict';
// The HTTP server. It keeps connections open until the client closes them.

const http = require('node:http');
const { log } = require('./log.js');
const { isPanic } = require('./wasm.js');

const BACKLOG = 4096;
// Node closes idle connections after 5 s by default. So does httpx, and the two would race.
const NO_TIMEOUTS = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, connectionsCheckingInterval: 60_000 };

/** @returns {Promise<http.Server>} the listening server; rejects if the port is in use */
function listen(protocol, guard, port, host) {
  return new Promise((resolve, reject) => {
    const server = http.createServer({ keepAlive: true, noDelay: true, ...NO_TIMEOUTS }, (request, response) => receive(protocol, guard, request, response));
    server.keepAliveTimeout = 0;
    server.timeout = 0;
    server.once('error', reject);
    server.listen(port, host, BACKLOG, () => resolve(server));
  });
}

function receive(protocol, guard, request, response) {
  const refusal = guard(request.headers, request.url);
  if (refusal) {
    request.resume(); // discard the body, so that the connection can be reused
    send(response, ...refusal);
    return;
  }
  const chunks = [];
  request.on('error', () => {}); // the client disconnected
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

// A string is already JSON; {text} is plain text.
function send(response, status, answer) {
  const isPlain = typeof answer === 'object' && typeof answer.text === 'string';
  const data = Buffer.from(isPlain ? answer.text : typeof answer === 'string' ? answer : JSON.stringify(answer));
  response.writeHead(status, { 'content-type': isPlain ? 'text/plain; version=0.0.4' : 'application/json', 'content-length': data.length });
  response.end(data);
}

module.exports = { listen };
