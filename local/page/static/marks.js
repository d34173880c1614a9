/** Finds the examples of each insight in a transcript. No DOM. */

const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const GAP = "[^\\p{L}\\p{N}\\p{M}]+";
// A model may leave words out of an example, or add the correction after an arrow.
const CUT = /…|\.{3}|→|->/;
// Punctuation that must stay with the word before it.
const CLOSING = /^[\p{Pe}\p{Pf}\p{Po}"']+/u;

/** Returns the places of `example` in `text` as [start, end). Ignores case, punctuation and white space. */
export function places(text, example) {
  return example.split(CUT).flatMap((piece) => {
    const words = piece.match(WORD);
    if (!words) return [];
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}\\p{M}])${words.join(GAP)}(?![\\p{L}\\p{N}\\p{M}])`, "giu");
    return [...text.matchAll(pattern)].map((match) => [match.index, match.index + match[0].length]);
  });
}

/**
 * Splits the text into pieces `{text, insights, ends, after, around}`. Insights are given by index:
 * - `insights` have an example that covers the piece, and `ends` those whose example ends with it.
 * - `after` is the punctuation after such an end; the next piece does not repeat it.
 * - `around` are the insights whose example continues after the piece.
 */
export function pieces(text, insights) {
  const found = insights.flatMap((insight, index) =>
    (insight.examples ?? []).flatMap((example) => places(text, example).map(([start, end]) => ({ start, end, index }))),
  );
  const cuts = [...new Set([0, text.length, ...found.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  const unique = (places) => [...new Set(places.map(({ index }) => index))].sort((a, b) => a - b);
  let taken = 0;
  return cuts.slice(0, -1).map((start, at) => {
    const end = cuts[at + 1];
    const here = found.filter((place) => place.start <= start && place.end >= end);
    const ends = unique(here.filter((place) => place.end === end));
    const after = (ends.length && text.slice(end).match(CLOSING)?.[0]) || "";
    const around = unique(found.filter((place) => place.start < end && place.end > end));
    const piece = { text: text.slice(start + taken, end), insights: unique(here), ends, after, around };
    taken = after.length;
    return piece;
  });
}

/** Returns an example as a quotation from `text`, with an ellipsis where it begins or ends within a sentence. */
export function quotation(text, example) {
  const [place] = places(text, example);
  if (!place || CUT.test(example)) return example;
  const before = text.slice(0, place[0]).trimEnd();
  const after = text.slice(place[1]);
  const trimmed = example.trim();
  const opens = !before || /[.!?]["'”’)]*$/.test(before);
  const closes = !after.trim() || /^["'”’)]*[.!?]/.test(after);
  return `${opens ? "" : "… "}${trimmed}${closes || /[.!?]$/.test(trimmed) ? "" : " …"}`;
}
