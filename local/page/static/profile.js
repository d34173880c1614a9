/** The learner's patterns over time, each recording by itself. No DOM. */

import { MIN_WORDS, perHundred } from "./compare.js";

/**
 * From finished sessions: `{dates, series}`, oldest first, where a series is `{category, pattern, rates}` with one rate per
 * hundred words for each date, 0 where the pattern was not found. Most frequent first. Very short recordings are left out.
 */
export function profileOverTime(sessions) {
  const long = sessions.filter(({ transcript }) => transcript?.wordCount >= MIN_WORDS);
  const sorted = long.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  const series = new Map();
  sorted.forEach((session, index) => {
    for (const [key, { category, pattern, rate }] of perHundred(session)) {
      if (!series.has(key)) series.set(key, { category, pattern, rates: sorted.map(() => 0) });
      series.get(key).rates[index] = rate;
    }
  });
  const sum = ({ rates }) => rates.reduce((total, rate) => total + rate, 0);
  return {
    dates: sorted.map(({ createdAt }) => createdAt),
    series: [...series.values()].sort((a, b) => sum(b) - sum(a)),
  };
}

/** Three to six round numbers from 0 to at least `most`. */
export function ticks(most) {
  const rough = Math.max(0.5, most) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  return Array.from({ length: Math.ceil(Math.max(0.5, most) / step - 1e-9) + 1 }, (_, index) => Number((index * step).toFixed(6)));
}
