/** Decodes a picture file to RGBA, upright and in sRGB. */

import { readHeader } from "./header";
import { checkSize } from "./limits";
import { PictureError, type Photo } from "./photo";

const STRIP = 256; // rows read at once

/**
 * Decodes a file.
 * @returns the photo, and the same as a bitmap to show.
 * @throws PictureError the file is no picture that the page reads, is damaged, or too large.
 */
export async function decode(file: Blob): Promise<{ photo: Photo; bitmap: ImageBitmap }> {
  const header = readHeader(new Uint8Array(await file.arrayBuffer()));
  checkSize(header, "The picture", "Cut it into parts first.");
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" }).catch(() => {
    throw new PictureError("The file is damaged, or this browser cannot read its format.");
  });
  const { width, height } = bitmap;
  const pixels = new Uint8ClampedArray(4 * width * height);
  // Canvases are premultiplied. With 16-bit floats, dividing by alpha gives the file's 8 bits exactly; where the browser
  // has none of those, colours of faint pixels lose precision.
  const canvas = new OffscreenCanvas(width, Math.min(STRIP, height));
  const settings = { colorType: "float16", willReadFrequently: true } as CanvasRenderingContext2DSettings;
  const context = canvas.getContext("2d", settings)!;
  for (let top = 0; top < height; top += STRIP) {
    const rows = Math.min(STRIP, height - top);
    context.clearRect(0, 0, width, STRIP);
    context.drawImage(bitmap, 0, -top);
    pixels.set(context.getImageData(0, 0, width, rows).data, 4 * top * width);
  }
  let transparent = false;
  for (let i = 3; i < pixels.length && !transparent; i += 4) transparent = pixels[i] !== 255;
  return { photo: { width, height, gray: header.gray, lossy: header.lossy, pixels, transparent }, bitmap };
}
