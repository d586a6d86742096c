/** Bitmaps of a part of a picture, small enough to draw fast. */

import type { Piece } from "./messages";

const PIECE = 1024; // pixels along a bitmap's longer side

/** The pieces of whole rows of RGBA from `top` on. */
export function pieces(pixels: Uint8ClampedArray<ArrayBuffer>, width: number, top: number): Promise<Piece[]> {
  const image = new ImageData(pixels, width);
  const lefts = Array.from({ length: Math.ceil(width / PIECE) }, (_, i) => i * PIECE);
  return Promise.all(
    lefts.map(async (left) => {
      const wide = Math.min(PIECE, width - left);
      return { left, top, bitmap: await createImageBitmap(image, left, 0, wide, image.height) };
    }),
  );
}
