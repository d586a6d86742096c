/** BT.601 colour in studio range, equal to lapsrn_jax/images/color.py: RGB and YCbCr in [0, 1]. */

const TO_YCBCR = [
  [65.481, 128.553, 24.966],
  [-37.797, -74.203, 112.0],
  [112.0, -93.786, -18.214],
].map((row) => row.map((value) => value / 255));
const OFFSET = [16 / 255, 128 / 255, 128 / 255];
const TO_RGB = inverse(TO_YCBCR);

/** One channel (0: Y, 1: Cb, 2: Cr) of an RGB colour. */
export function toYcbcr(channel: number, r: number, g: number, b: number): number {
  const row = TO_YCBCR[channel];
  return row[0] * r + row[1] * g + row[2] * b + OFFSET[channel];
}

/** One channel (0: R, 1: G, 2: B) of a YCbCr colour, not clipped. */
export function toRgb(channel: number, y: number, cb: number, cr: number): number {
  const row = TO_RGB[channel];
  return row[0] * (y - OFFSET[0]) + row[1] * (cb - OFFSET[1]) + row[2] * (cr - OFFSET[2]);
}

/** The luminance of a gray value in [0, 1]. */
export function toLuminance(gray: number): number {
  return (16 + 219 * gray) / 255;
}

/** The gray value of a luminance, not clipped. */
export function toGray(luminance: number): number {
  return (255 * luminance - 16) / 219;
}

/** The inverse of a 3x3 matrix, by cofactors. */
function inverse(m: number[][]): number[][] {
  const cofactor = (i: number, j: number): number => {
    const [a, b] = [(i + 1) % 3, (i + 2) % 3];
    const [c, d] = [(j + 1) % 3, (j + 2) % 3];
    return m[a][c] * m[b][d] - m[a][d] * m[b][c];
  };
  const determinant = m[0][0] * cofactor(0, 0) + m[0][1] * cofactor(0, 1) + m[0][2] * cofactor(0, 2);
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => cofactor(j, i) / determinant));
}
