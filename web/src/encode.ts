/** The worker that makes files to download: PNG, JPEG or WebP, or a zip of several. */

import { Zip, ZipPassThrough } from "fflate";

import type { Encoded, Encoding, Format } from "./messages";
import { encodePng } from "./png";
import type { Size } from "./photo";

const SUFFIX: Record<Format, string> = { png: "png", jpeg: "jpg", webp: "webp" };
const LARGEST_CANVAS = 16383; // pixels along a side that all browsers can write as JPEG and WebP
const LARGEST_ZIP = 2 ** 32 - 2 ** 20; // bytes

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
  return { blob: await zipped(files), name: "enlarged.zip" };
}

/** Holds one file at a time in memory. */
async function zipped(files: { name: string; blob: Blob }[]): Promise<Blob> {
  if (files.reduce((total, { blob }) => total + blob.size, 0) > LARGEST_ZIP) {
    throw new Error("the zip would exceed 4 GB; download the pictures one by one");
  }
  const parts: Blob[] = [];
  const zip = new Zip((error, data) => {
    if (error) throw error;
    parts.push(new Blob([data as Uint8Array<ArrayBuffer>]));
  });
  for (const { name, blob } of files) {
    const file = new ZipPassThrough(name);
    zip.add(file);
    file.push(new Uint8Array(await blob.arrayBuffer()), true);
  }
  zip.end();
  return new Blob(parts, { type: "application/zip" });
}

/** A name that differs from those taken also where letter case does not count. */
function unique(stem: string, suffix: string, taken: Set<string>): string {
  let name = `${stem}.${suffix}`;
  for (let i = 2; taken.has(name.toLowerCase()); i++) name = `${stem} (${i}).${suffix}`;
  taken.add(name.toLowerCase());
  return name;
}

async function encodeCanvas(bands: Blob[], size: Size, type: string, quality: number, opaque: boolean): Promise<Blob> {
  if (Math.max(size.width, size.height) > LARGEST_CANVAS) {
    throw new Error(`browsers write this format with at most ${LARGEST_CANVAS} pixels a side; choose PNG`);
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
  const blob = await canvas.convertToBlob({ type, quality });
  if (blob.type !== type) throw new Error("this browser cannot write this format; choose another");
  return blob;
}
