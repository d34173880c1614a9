/** The pattern profile over time, added up from the sessions' insights as the service adds up its own. No DOM. */

/**
 * From sessions with insights: `{dates, series}`, oldest first, where a series is `{category, pattern, totals}` and totals has a
 * leading 0 and then one sum for each session. An insight without a frequency counts once. Largest series first.
 */
export function profileOverTime(sessions) {
  const done = sessions.filter(({ status }) => status === "DONE").sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  const series = new Map();
  done.forEach((session, index) => {
    for (const { category, pattern, frequency } of session.insights) {
      const key = `${category}:${pattern}`;
      if (!series.has(key)) series.set(key, { category, pattern, added: done.map(() => 0) });
      series.get(key).added[index] += frequency ?? 1;
    }
  });
  const summed = [...series.values()].map(({ category, pattern, added }) => {
    const totals = [0];
    for (const amount of added) totals.push(totals.at(-1) + amount);
    return { category, pattern, totals };
  });
  return {
    dates: done.map(({ createdAt }) => createdAt),
    series: summed.sort((a, b) => b.totals.at(-1) - a.totals.at(-1)),
  };
}

/** Three to six round numbers from 0 to at least `most`. */
export function ticks(most) {
  const rough = Math.max(1, most) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough));
  return Array.from({ length: Math.ceil(Math.max(1, most) / step) + 1 }, (_, index) => index * step);
}
