'use strict';
// From the JSON protocol's answer to what the GraphQL protocol answers: {"$type":T,"value":V} becomes V. Done on the text, so that
// 700.0 stays 700.0 and nothing is parsed twice. Inside a JSON string every quote is escaped, so the mark cannot occur in one.

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

/** @param {number} open index of the opening quote; returns the index behind the closing one */
function endOfString(text, open) {
  for (let from = open + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new Error('unterminated string in the answer of the engine');
    let before = quote - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((quote - 1 - before) % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

/** {"data":{"findUniqueUser":X}} → {"data":{"result":X}}; null when the answer is an error. Raw answers carry no tags. */
function resultOf(text, isRaw) {
  if (!text.startsWith('{"data":{"')) return null;
  const body = text.slice(text.indexOf('":', 10) + 2);
  return '{"data":{"result":' + (isRaw ? body : untag(body));
}

module.exports = { untag, resultOf };
