/** The learner's patterns over time, one value for each recording. No DOM. */

import { MIN_WORDS, perHundred } from "./compare.js";

/**
 * Returns `{dates, series}` for finished sessions, without very short ones. Dates are sorted oldest first, series by
 * frequency. A series is `{category, pattern, rates}`: one rate per 100 words for each date, 0 if it was not found.
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

/** Returns three to six round numbers from 0 to at least `most`. */
export function ticks(most) {
  const rough = Math.max(0.5, most) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  const length = Math.ceil(Math.max(0.5, most) / step - 1e-9) + 1;
  return Array.from({ length }, (_, index) => Number((index * step).toFixed(6)));
}
