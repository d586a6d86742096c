/** Decodes a picture file to RGBA, upright and in sRGB. */

import { readHeader } from "./header";
import { checkSize } from "./limits";
import { PictureError, type Photo } from "./photo";

const STRIP = 256; // rows read at once
const HARMLESS = 2; // levels of 255 that a browser may add as noise

/**
 * Decodes a file.
 * @throws PictureError the file is no picture that the page reads, is damaged, or too large.
 */
export async function decode(file: Blob): Promise<Photo> {
  const header = readHeader(new Uint8Array(await file.arrayBuffer()));
  checkSize(header, "The picture", "Cut it into parts first.");
  checkCanvas();
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
  bitmap.close();
  return { width, height, gray: header.gray, lossy: header.lossy, pixels, transparent };
}

/** @throws PictureError the browser hides what is on a canvas, as some do against fingerprinting. */
function checkCanvas(): void {
  const context = new OffscreenCanvas(16, 16).getContext("2d", { willReadFrequently: true })!;
  const pattern = Uint8ClampedArray.from({ length: 4 * 256 }, (_, i) => (i % 4 === 3 ? 255 : (31 * i) % 256));
  context.putImageData(new ImageData(pattern, 16), 0, 0);
  const found = context.getImageData(0, 0, 16, 16).data;
  if (found.every((value, i) => Math.abs(value - pattern[i]) <= HARMLESS)) return;
  throw new PictureError("This browser hides the pixels of pictures from pages: allow this page to read canvases.");
}
