/** What the page can hold. */

import { PictureError, type Size } from "./photo";

const MOST_PIXELS = 100e6; // of a picture and of a result, which takes about 1.5 GB in all
const LONGEST_SIDE = 65535;

/** @throws PictureError a size is beyond what the page can hold. */
export function checkSize({ width, height }: Size, name: string, remedy: string): void {
  if (width * height <= MOST_PIXELS && Math.max(width, height) <= LONGEST_SIDE) return;
  const megapixels = Math.round((width * height) / 1e6).toLocaleString("en");
  throw new PictureError(
    `${name} has ${width.toLocaleString("en")} × ${height.toLocaleString("en")} pixels, ${megapixels} megapixels; ` +
      `the page can hold ${MOST_PIXELS / 1e6}. ${remedy}`,
  );
}
