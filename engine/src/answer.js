'use strict';
// Converts JSON-protocol answers to GraphQL-protocol answers: {"$type":T,"value":V} becomes V.
// Works on the text, so that 700.0 stays 700.0 and nothing is parsed twice. MARK cannot occur inside a
// JSON string, because every quote in a string is escaped.

const MARK = '{"$type":"';
const VALUE = '","value":';
const QUOTE = 34;
const BACKSLASH = 92;

function untag(text) {
  let at = text.indexOf(MARK);
  if (at < 0) return text;
  let out = '';
  let from = 0;
  while (at >= 0) {
    const start = text.indexOf(VALUE, at + MARK.length) + VALUE.length;
    const end = text.charCodeAt(start) === QUOTE ? endOfString(text, start) : text.indexOf('}', start);
    out += text.slice(from, at) + text.slice(start, end);
    from = end + 1; // past the closing brace
    at = text.indexOf(MARK, from);
  }
  return out + text.slice(from);
}

/**
 * @param {number} open index of the opening quote
 * @returns {number} the index after the closing quote
 */
function endOfString(text, open) {
  for (let from = open + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new Error("unterminated string in the engine's answer");
    let before = quote - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((quote - 1 - before) % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

/** {"data":{"findUniqueUser":X}} → {"data":{"result":X}}; null if the answer is an error. Raw answers have no tags. */
function resultOf(text, isRaw) {
  if (!text.startsWith('{"data":{"')) return null;
  const body = text.slice(text.indexOf('":', 10) + 2);
  return '{"data":{"result":' + (isRaw ? body : untag(body));
}

module.exports = { untag, resultOf };
