/** Finds where in a transcript the examples of each insight are. No DOM. */

const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const GAP = "[^\\p{L}\\p{N}\\p{M}]+";
// A model may leave words out of an example, or put what should have been said behind an arrow.
const CUT = /…|\.{3}|→|->/;

/** The places of `example` in `text` as [start, end); case, punctuation and white space do not count. */
export function places(text, example) {
  return example.split(CUT).flatMap((piece) => {
    const words = piece.match(WORD);
    if (!words) return [];
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}\\p{M}])${words.join(GAP)}(?![\\p{L}\\p{N}\\p{M}])`, "giu");
    return [...text.matchAll(pattern)].map((match) => [match.index, match.index + match[0].length]);
  });
}

/**
 * The whole text in pieces `{text, insights, ends}`: which insights (by index) have an example there, and for which of them
 * it ends with this piece. Examples may overlap.
 */
export function pieces(text, insights) {
  const found = insights.flatMap((insight, index) =>
    (insight.examples ?? []).flatMap((example) => places(text, example).map(([start, end]) => ({ start, end, index }))),
  );
  const cuts = [...new Set([0, text.length, ...found.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  return cuts.slice(0, -1).map((start, at) => {
    const end = cuts[at + 1];
    const here = found.filter((place) => place.start <= start && place.end >= end);
    const unique = (places) => [...new Set(places.map(({ index }) => index))].sort((a, b) => a - b);
    return { text: text.slice(start, end), insights: unique(here), ends: unique(here.filter((place) => place.end === end)) };
  });
}
