/** How large the result is. */

import { PictureError, type Size } from "./photo";
import { scaledSize } from "./resize";

/** The networks' factors. */
export const SCALES = [2, 4, 8];

/** A factor for both sides, or a width in pixels. */
export type Target = { scale: number } | { width: number };

/** The size of the result. */
export function targetSize({ width, height }: Size, target: Target): Size {
  if ("scale" in target) return { width: scaledSize(width, target.scale), height: scaledSize(height, target.scale) };
  if (!(target.width > width)) {
    throw new PictureError(`${target.width} pixels are not wider than the picture, ${width}: give a larger width.`);
  }
  const largest = SCALES[SCALES.length - 1];
  if (target.width > largest * width) {
    const most = `give at most ${largest * width}`;
    throw new PictureError(`${target.width} pixels are more than ${largest} times the picture's width: ${most}.`);
  }
  return { width: target.width, height: scaledSize(height, target.width / width) };
}
