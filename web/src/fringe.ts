/** Colours under transparency, equal to `_without_fringe` in lapsrn_jax/upscaling/photos.py. */

import type { Photo } from "./photo";
import { mirrored } from "./resize";

const REACH = 2; // pixels on either side, as interpolation sees

/**
 * Gives pixels that are less visible than their neighbours the neighbours' colour, so that objects get no fringe.
 *
 * The mean of the neighbours is weighted by alpha. A pixel keeps the share of its own colour that its alpha is of the
 * largest one nearby, so areas of equal alpha do not change. Pixels with nothing visible near take the nearest colour.
 */
export function removeFringe(photo: Photo): void {
  const { width, height, pixels } = photo;
  const count = width * height;
  const alpha = Float64Array.from({ length: count }, (_, i) => pixels[4 * i + 3]);
  const most = filtered(alpha, width, height, largest);
  if (!most.some((value) => value > 0)) return;
  const weight = filtered(alpha, width, height, mean);
  const colors = [0, 1, 2].map((c) => {
    const weighted = filtered(
      alpha.map((value, i) => value * pixels[4 * i + c]),
      width,
      height,
      mean,
    );
    let [low, high] = [255, 0];
    for (let i = c; i < 4 * count; i += 4) [low, high] = [Math.min(low, pixels[i]), Math.max(high, pixels[i])];
    return { weighted, low, high };
  });
  for (let i = 0; i < count; i++) {
    if (!(most[i] > 0 && alpha[i] < most[i])) continue;
    const share = alpha[i] / most[i];
    colors.forEach(({ weighted, low, high }, c) => {
      const mixed = share * pixels[4 * i + c] + (1 - share) * (weighted[i] / weight[i]);
      pixels[4 * i + c] = Math.min(Math.max(mixed, low), high); // the array rounds, halves to even
    });
  }
  const nearest = nearestPixels(most, width, height);
  for (let i = 0; i < count; i++) {
    if (nearest[i] !== i) pixels.copyWithin(4 * i, 4 * nearest[i], 4 * nearest[i] + 3);
  }
}

/** A filter of one line: `at(i)` is its value at i, which may lie outside, and `put(i, value)` takes the results. */
type Line = (length: number, at: (i: number) => number, put: (i: number, value: number) => void) => void;

const largest: Line = (length, at, put) => {
  for (let i = 0; i < length; i++) {
    let value = at(i - REACH);
    for (let d = 1 - REACH; d <= REACH; d++) value = Math.max(value, at(i + d));
    put(i, value);
  }
};

/** The mean as SciPy computes it, step by step, so that ties round the same way. */
const mean: Line = (length, at, put) => {
  const size = 2 * REACH + 1;
  let sum = 0;
  for (let d = -REACH; d <= REACH; d++) sum += at(d);
  put(0, sum / size);
  for (let i = 1; i < length; i++) put(i, (sum += at(i + REACH) - at(i - REACH - 1)) / size);
};

/** A plane with its columns and then its rows filtered, with the border mirrored. */
function filtered(plane: Float64Array, width: number, height: number, filter: Line): Float64Array {
  const along = (from: Float64Array, length: number, lines: number, step: number, next: number): Float64Array => {
    const result = new Float64Array(from.length);
    for (let line = 0; line < lines; line++) {
      const start = line * next;
      filter(
        length,
        (i) => from[start + mirrored(i, length) * step],
        (i, value) => (result[start + i * step] = value),
      );
    }
    return result;
  };
  return along(along(plane, height, width, width, 1), width, height, 1, width);
}

/** For each pixel, the index of the nearest one that is above 0: the upper one of equals, then the left one. */
function nearestPixels(plane: Float64Array, width: number, height: number): Int32Array {
  const rows = new Int32Array(plane.length).fill(-1); // of the nearest one in the same column
  for (let x = 0; x < width; x++) {
    let last = -1;
    for (let y = 0; y < height; y++) {
      if (plane[y * width + x] > 0) last = y;
      rows[y * width + x] = last;
    }
    last = -1;
    for (let y = height - 1; y >= 0; y--) {
      if (plane[y * width + x] > 0) last = y;
      const above = rows[y * width + x];
      if (last >= 0 && (above < 0 || last - y < y - above)) rows[y * width + x] = last;
    }
  }
  const result = new Int32Array(plane.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let [best, column] = [Infinity, x];
      for (let d = 0; d * d <= best && d < width; d++) {
        for (const at of d === 0 ? [x] : [x - d, x + d]) {
          if (at < 0 || at >= width || rows[y * width + at] < 0) continue;
          const distance = d * d + (rows[y * width + at] - y) ** 2;
          if (distance < best || (distance === best && at < column)) [best, column] = [distance, at];
        }
      }
      result[y * width + x] = rows[y * width + column] * width + column;
    }
  }
  return result;
}
