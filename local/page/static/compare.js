/** Numbers for comparing recordings of different lengths. No DOM. */

import { clock } from "./dom.js";

/** With fewer words, a single error would make the chart jump. */
export const MIN_WORDS = 20;

/** Words per minute, rounded; undefined if the length or the words are unknown. */
export function wordsPerMinute({ transcript, durationSecs }) {
  return transcript && durationSecs ? Math.round((60 * transcript.wordCount) / durationSecs) : undefined;
}

/**
 * How often each pattern occurs per 100 words, as a Map from a key to `{category, pattern, rate}`.
 * An insight without a frequency counts once.
 */
export function perHundred({ transcript, insights }) {
  const rates = new Map();
  if (!transcript?.wordCount) return rates;
  for (const { category, pattern, frequency } of insights) {
    const key = `${category}:${pattern}`;
    const rate = (rates.get(key)?.rate ?? 0) + (100 * (frequency ?? 1)) / transcript.wordCount;
    rates.set(key, { category, pattern, rate });
  }
  return rates;
}

/** Rows of text, `{label, hint, was, is}`, for a session and the previous one, which may be undefined. */
export function comparison(session, before) {
  const facts = [
    ["Length", ({ durationSecs }) => durationSecs && clock(durationSecs)],
    ["Words", ({ transcript }) => transcript && String(transcript.wordCount)],
    ["Words per minute", (each) => wordsPerMinute(each)?.toString()],
  ];
  const rows = facts.map(([label, of]) => ({ label, was: before && (of(before) || "–"), is: of(session) || "–" }));
  if (!before) return rows;
  const [was, is] = [perHundred(before), perHundred(session)];
  const patterns = new Map([...is, ...was]);
  for (const [key, { category, pattern }] of patterns) {
    rows.push({ label: pattern, hint: category, was: rateText(was.get(key)?.rate), is: rateText(is.get(key)?.rate) });
  }
  return rows;
}

const rateText = (rate) => (rate === undefined ? "not found" : rate.toFixed(1));
