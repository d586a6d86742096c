/** MATLAB's `imresize(..., "bicubic")` by bands of rows, equal to lapsrn_jax/images/resize.py. */

const SUPPORT = 4; // width of Keys' kernel in pixels, when not shrinking

/** Rows [start, stop) of a plane, `width` values each. */
export type Rows = (start: number, stop: number) => Float32Array;

/** The linear map along one axis: output o is the sum of `weight[o * taps + t] * input[index[o * taps + t]]`. */
export interface Axis {
  length: number;
  size: number;
  taps: number;
  index: Int32Array;
  weight: Float64Array;
  /** The inputs [low, high) that outputs [start, stop) need. */
  needs(start: number, stop: number): [number, number];
}

/** The map from `length` to `size` pixels. */
export function resizeAxis(length: number, size: number): Axis {
  const scale = size / length;
  const shrink = Math.min(scale, 1); // the kernel widens when shrinking (antialiasing)
  const width = SUPPORT / shrink;
  const taps = Math.ceil(width) + 2;
  const index = new Int32Array(size * taps);
  const weight = new Float64Array(size * taps);
  for (let o = 0; o < size; o++) {
    const centre = (o + 0.5) / scale - 0.5;
    const first = Math.floor(centre + 1 - width / 2) - 1;
    let sum = 0;
    for (let t = 0; t < taps; t++) sum += weight[o * taps + t] = keysCubic(shrink * (centre - (first + t)));
    for (let t = 0; t < taps; t++) {
      weight[o * taps + t] /= sum;
      index[o * taps + t] = mirrored(first + t, length);
    }
  }
  const needs = (start: number, stop: number): [number, number] => {
    let [low, high] = [length, 0];
    for (let i = start * taps; i < stop * taps; i++) {
      if (weight[i] === 0) continue;
      low = Math.min(low, index[i]);
      high = Math.max(high, index[i] + 1);
    }
    return [low, high];
  };
  return { length, size, taps, index, weight, needs };
}

/** Rows [start, stop) of the resized plane. */
export function resizedRows(rows: Rows, down: Axis, across: Axis, start: number, stop: number): Float32Array {
  const [low, high] = down.needs(start, stop);
  const wide = widened(rows(low, high), across, high - low);
  if (down.length === down.size) return wide;
  const width = across.size;
  const result = new Float32Array((stop - start) * width);
  const sum = new Float64Array(width);
  for (let o = start; o < stop; o++) {
    sum.fill(0);
    for (let t = o * down.taps; t < (o + 1) * down.taps; t++) {
      const weight = down.weight[t];
      if (weight === 0) continue;
      const from = (down.index[t] - low) * width;
      for (let x = 0; x < width; x++) sum[x] += weight * wide[from + x];
    }
    result.set(sum, (o - start) * width);
  }
  return result;
}

function widened(rows: Float32Array, across: Axis, count: number): Float32Array {
  const { length, size, taps, index, weight } = across;
  if (length === size) return rows;
  const result = new Float32Array(count * size);
  for (let y = 0; y < count; y++) {
    for (let o = 0; o < size; o++) {
      let sum = 0;
      for (let t = o * taps; t < (o + 1) * taps; t++) sum += weight[t] * rows[y * length + index[t]];
      result[y * size + o] = sum;
    }
  }
  return result;
}

/** The cubic convolution kernel of Keys (1981), equation 15, with a = -1/2. */
function keysCubic(distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
  return x <= 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** The pixel at a position that may lie outside: ... 1 0 | 0 1 ... n-1 | n-1 n-2 ... */
export function mirrored(position: number, length: number): number {
  const period = 2 * length;
  const within = ((position % period) + period) % period;
  return within < length ? within : period - 1 - within;
}

/** `imresize`'s output length, `ceil(scale * length)`, where 100 * 1.1 counts as 110. */
export function scaledSize(length: number, scale: number): number {
  return Math.max(1, Math.ceil(Math.round(length * scale * 1e9) / 1e9));
}
