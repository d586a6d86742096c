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
  for (const c of [0, 1, 2]) {
    const product = alpha.map((value, i) => value * pixels[4 * i + c]);
    const weighted = filtered(product, width, height, mean);
    let [low, high] = [255, 0];
    for (let i = c; i < 4 * count; i += 4) [low, high] = [Math.min(low, pixels[i]), Math.max(high, pixels[i])];
    for (let i = 0; i < count; i++) {
      if (!(most[i] > 0 && alpha[i] < most[i])) continue;
      const share = alpha[i] / most[i];
      const mixed = share * pixels[4 * i + c] + (1 - share) * (weighted[i] / weight[i]);
      pixels[4 * i + c] = Math.min(Math.max(mixed, low), high); // the array rounds, halves to even
    }
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

/**
 * For each pixel, the index of the nearest one that is above 0: the upper one of equals, then the left one.
 *
 * The nearest ones in each column come first; along a row, each column's then is the nearest one in an interval (A.
 * Meijster, J. Roerdink & W. Hesselink, A General Algorithm for Computing Distance Transforms in Linear Time, 2000).
 */
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
  const [columns, starts] = [new Int32Array(width), new Int32Array(width)]; // whose pixels are nearest, and from where
  for (let y = 0; y < height; y++) {
    const row = y * width;
    const down = (column: number): number => (rows[row + column] - y) ** 2;
    const distance = (x: number, column: number): number => (x - column) ** 2 + down(column);
    let count = 0;
    for (let x = 0; x < width; x++) {
      if (rows[row + x] < 0) continue;
      while (count > 0 && distance(starts[count - 1], columns[count - 1]) > distance(starts[count - 1], x)) count--;
      let start = 0;
      if (count > 0) {
        const left = columns[count - 1]; // its pixel is the nearest one up to where both are equally near
        start = 1 + Math.floor((x ** 2 - left ** 2 + down(x) - down(left)) / (2 * (x - left)));
      }
      if (start >= width) continue;
      [columns[count], starts[count]] = [x, start];
      count++;
    }
    for (let x = width - 1; x >= 0; x--) {
      while (starts[count - 1] > x) count--;
      result[row + x] = rows[row + columns[count - 1]] * width + columns[count - 1];
    }
  }
  return result;
}
