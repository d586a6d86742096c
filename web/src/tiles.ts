/** The division of a picture into overlapping tiles of equal size. */

/**
 * Pixels around a tile's own that it shows the network as well. In principle the network sees up to 38 pixels away; what
 * lies beyond 16 moves the result by less than 0.01 of 255 levels even in binary noise (docs/guides/browser.md).
 */
export const MARGIN = 16;

/** A tile along one axis: the pixels [first, last) that the network sees, of which [start, stop) are kept. */
export interface Span {
  first: number;
  last: number;
  start: number;
  stop: number;
}

/** The tiles along an axis of `length` pixels: equally long, at most `side`, with margins but for the picture's edges. */
export function spans(length: number, side: number): Span[] {
  const count = length <= side ? 1 : Math.ceil((length - 2 * MARGIN) / (side - 2 * MARGIN));
  const seen = count === 1 ? length : Math.ceil((length - 2 * MARGIN) / count) + 2 * MARGIN;
  const firsts = Array.from({ length: count }, (_, i) =>
    i === 0 ? 0 : Math.round((i * (length - seen)) / (count - 1)),
  );
  const borders = firsts.map((first, i) => (i === 0 ? 0 : Math.floor((first + firsts[i - 1] + seen) / 2)));
  return firsts.map((first, i) => ({
    first,
    last: first + seen,
    start: borders[i],
    stop: i + 1 < count ? borders[i + 1] : length,
  }));
}
