/** The worker that makes files to download: PNG, JPEG or WebP, or a zip of several. */

import { zipSync } from "fflate";

import type { Encoded, Encoding, Format } from "./messages";
import { encodePng } from "./png";
import type { Size } from "./photo";

const SUFFIX: Record<Format, string> = { png: "png", jpeg: "jpg", webp: "webp" };
const LARGEST_CANVAS = 16383; // pixels along a side, for JPEG and WebP

self.onmessage = async ({ data }: MessageEvent<Encoding>) => {
  let answer: Encoded;
  try {
    answer = await encode(data);
  } catch (error) {
    answer = { message: `The file could not be written: ${error instanceof Error ? error.message : error}` };
  }
  (self as unknown as Worker).postMessage(answer);
};

async function encode({ pictures, format, quality }: Encoding): Promise<Encoded> {
  const files: { name: string; blob: Blob }[] = [];
  const taken = new Set<string>();
  for (const { name, bands, size, channels } of pictures) {
    const blob =
      format === "png"
        ? await encodePng(bands, size.width, size.height, channels)
        : await encodeCanvas(bands, size, `image/${format}`, quality, format === "jpeg");
    files.push({
      name: unique(`${name.replace(/\.[^.]*$/, "")}_${size.width}x${size.height}`, SUFFIX[format], taken),
      blob,
    });
  }
  if (files.length === 1) return files[0];
  const contents: Record<string, Uint8Array> = {};
  for (const { name, blob } of files) contents[name] = new Uint8Array(await blob.arrayBuffer());
  return { blob: new Blob([zipSync(contents, { level: 0 })], { type: "application/zip" }), name: "enlarged.zip" };
}

function unique(stem: string, suffix: string, taken: Set<string>): string {
  let name = `${stem}.${suffix}`;
  for (let i = 2; taken.has(name); i++) name = `${stem} (${i}).${suffix}`;
  taken.add(name);
  return name;
}

async function encodeCanvas(bands: Blob[], size: Size, type: string, quality: number, opaque: boolean): Promise<Blob> {
  if (Math.max(size.width, size.height) > LARGEST_CANVAS) {
    throw new Error(`this format holds at most ${LARGEST_CANVAS} pixels a side; choose PNG`);
  }
  const canvas = new OffscreenCanvas(size.width, size.height);
  const context = canvas.getContext("2d")!;
  let top = 0;
  for (const band of bands) {
    const image = new ImageData(new Uint8ClampedArray(await band.arrayBuffer()), size.width);
    context.putImageData(image, 0, top);
    top += image.height;
  }
  if (opaque) {
    context.globalCompositeOperation = "destination-over"; // JPEG has no transparency
    context.fillStyle = "white";
    context.fillRect(0, 0, size.width, size.height);
  }
  return canvas.convertToBlob({ type, quality });
}
