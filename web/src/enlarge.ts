/** Enlarges a photo with a network, tile by tile and in bands of rows, as lapsrn_jax/upscaling does. */

import { toGray, toLuminance, toRgb, toYcbcr } from "./color";
import { removeFringe } from "./fringe";
import { network, type Weights } from "./network";
import type { Photo, Size } from "./photo";
import { resizeAxis, resizedRows, type Rows } from "./resize";
import { SCALES } from "./target";
import { spans, type Span } from "./tiles";

/** Pixels along the sides of the largest tile for each scale: about a second of work on four threads. */
const SIDES: Record<number, number> = { 2: 256, 4: 192, 8: 128 };

const BAND = 256; // rows of the result at once

/** Rows of the result from `top` on, as RGBA. */
export interface Band {
  top: number;
  rows: number;
  /** By the network. */
  sr: Uint8ClampedArray<ArrayBuffer>;
  /** By bicubic interpolation of all channels. */
  bicubic: Uint8ClampedArray<ArrayBuffer>;
}

/**
 * Yields the enlarged photo in bands from top to bottom. Changes the colours of its invisible pixels.
 * @param weights those of the network.
 * @param fast whether to run half of the network's recursions.
 * @param progress called after each tile with the share of the work that was done since the last call.
 */
export async function* enlarged(
  photo: Photo,
  size: Size,
  weights: Weights,
  fast: boolean,
  progress: (share: number) => void,
): AsyncGenerator<Band> {
  const { width, height, gray, transparent } = photo;
  if (transparent) removeFringe(photo);
  const needed = Math.max(size.width / width, size.height / height);
  const scale = SCALES.find((one) => one >= needed - 1e-9) ?? SCALES[SCALES.length - 1];
  const enlarge = network(scale, weights, fast);

  const luminance = gray ? channel(photo, 0) : ycbcr(photo, 0);
  const differences = gray ? [] : [ycbcr(photo, 1), ycbcr(photo, 2)];
  const alpha = transparent ? [channel(photo, 3)] : [];
  const [down, across] = [resizeAxis(height, size.height), resizeAxis(width, size.width)];
  const [shrinkDown, shrinkAcross] = [resizeAxis(height * scale, size.height), resizeAxis(width * scale, size.width)];

  const strips = [luminance, ...alpha].map(() => new Strips(width * scale));
  const done = (share: number): void => progress(share / strips.length);
  let top = 0;
  const columns = spans(width, SIDES[scale]);
  for (const row of spans(height, SIDES[scale])) {
    for (const [i, plane] of [luminance, ...alpha].entries()) {
      const strip = new Float32Array((row.stop - row.start) * scale * width * scale);
      const seen = plane(row.first, row.last);
      for (const column of columns) {
        const tile = cut(seen, width, column.first, column.last, row.last - row.first);
        const result = await enlarge(tile, column.last - column.first, row.last - row.first);
        paste(result, strip, scale, width, row, column);
        done(((row.stop - row.start) * (column.stop - column.start)) / (height * width));
      }
      strips[i].push(strip);
    }
    for (let stop = top; top < size.height; top = stop) {
      while (stop < Math.min(top + BAND, size.height) && shrinkDown.needs(stop, stop + 1)[1] <= strips[0].stop) stop++;
      if (stop === top) break;
      const [sr, opacity] = strips.map((part) => resizedRows(part.rows, shrinkDown, shrinkAcross, top, stop));
      const [smooth, ...chroma] = [luminance, ...differences].map((rows) => resizedRows(rows, down, across, top, stop));
      const [smoothOpacity] = alpha.map((rows) => resizedRows(rows, down, across, top, stop));
      yield { top, rows: stop - top, sr: pixels(sr, chroma, opacity), bicubic: pixels(smooth, chroma, smoothOpacity) };
      strips.forEach((part) => part.forget(stop < size.height ? shrinkDown.needs(stop, stop + 1)[0] : part.stop));
    }
  }
}

/** A channel of a photo (0 to 2 for RGB, 3 for alpha) in the range of luminance, which the network knows. */
function channel({ width, pixels }: Photo, c: number): Rows {
  return (start, stop) => {
    const result = new Float32Array((stop - start) * width);
    for (let i = 0, at = 4 * start * width + c; i < result.length; i++, at += 4) result[i] = toLuminance(pixels[at] / 255);
    return result;
  };
}

/** A channel of a photo in YCbCr. */
function ycbcr({ width, pixels }: Photo, c: number): Rows {
  return (start, stop) => {
    const result = new Float32Array((stop - start) * width);
    for (let i = 0, at = 4 * start * width; i < result.length; i++, at += 4) {
      result[i] = toYcbcr(c, pixels[at] / 255, pixels[at + 1] / 255, pixels[at + 2] / 255);
    }
    return result;
  };
}

/** Whole strips of a plane, of which those that are still needed are kept. */
class Strips {
  stop = 0;
  private parts: { start: number; data: Float32Array }[] = [];

  constructor(private readonly width: number) {}

  push(data: Float32Array): void {
    this.parts.push({ start: this.stop, data });
    this.stop += data.length / this.width;
  }

  forget(before: number): void {
    this.parts = this.parts.filter(({ start, data }) => start + data.length / this.width > before);
  }

  readonly rows: Rows = (start, stop) => {
    const result = new Float32Array((stop - start) * this.width);
    for (const part of this.parts) {
      const from = Math.max(start - part.start, 0) * this.width;
      const to = Math.min((stop - part.start) * this.width, part.data.length);
      if (from < to) result.set(part.data.subarray(from, to), (part.start - start) * this.width + from);
    }
    return result;
  };
}

function cut(rows: Float32Array, width: number, first: number, last: number, count: number): Float32Array {
  const tile = new Float32Array((last - first) * count);
  for (let y = 0; y < count; y++) tile.set(rows.subarray(y * width + first, y * width + last), y * (last - first));
  return tile;
}

/** Copies the own part of an enlarged tile into its strip. */
function paste(tile: Float32Array, strip: Float32Array, scale: number, width: number, row: Span, column: Span): void {
  const wide = (column.last - column.first) * scale;
  const [left, right] = [(column.start - column.first) * scale, (column.stop - column.first) * scale];
  const above = (row.start - row.first) * scale;
  for (let y = 0; y < (row.stop - row.start) * scale; y++) {
    const from = (above + y) * wide;
    strip.set(tile.subarray(from + left, from + right), y * width * scale + column.start * scale);
  }
}

/** Rounds to 8 bits: luminance with colour differences, or gray without. */
function pixels(y: Float32Array, chroma: Float32Array[], alpha?: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const result = new Uint8ClampedArray(4 * y.length);
  const [cb, cr] = chroma;
  for (let i = 0; i < y.length; i++) {
    for (let c = 0; c < 3; c++) {
      result[4 * i + c] = Math.floor(255 * (cb ? toRgb(c, y[i], cb[i], cr[i]) : toGray(y[i])) + 0.5);
    }
    result[4 * i + 3] = alpha ? Math.floor(255 * toGray(alpha[i]) + 0.5) : 255;
  }
  return result;
}
