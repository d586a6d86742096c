/** The worker that enlarges: it decodes one file at a time, and reports bands as they are ready. */

import { decode } from "./decode";
import { enlarged } from "./enlarge";
import { checkSize } from "./limits";
import type { Order, Piece, Report } from "./messages";
import { description } from "./network";
import { PictureError } from "./photo";
import { targetSize } from "./target";

const PIECE = 1024; // pixels along a bitmap's longer side: small ones draw fast

self.onmessage = async ({ data }: MessageEvent<Order>) => {
  try {
    await enlarge(data);
  } catch (error) {
    report({ kind: "failed", message: explanation(error) });
  }
};

async function enlarge({ file, target, weights, fast }: Order): Promise<void> {
  const { photo, bitmap } = await decode(file);
  const size = targetSize(photo, target);
  checkSize(size, "The result", "Choose a smaller size.");
  const channels = (photo.gray ? 1 : 3) + (photo.transparent ? 1 : 0);
  const chosen = weights !== "auto" ? weights : photo.lossy ? "cms-lapsrn-photo" : "cms-lapsrn";
  const runs = `${await description()}; weights: ${chosen}`;
  report({ kind: "opened", source: bitmap, size, channels, runs }, [bitmap]);
  for await (const band of enlarged(photo, size, chosen, fast, (share) => report({ kind: "progress", share }))) {
    const [sr, bicubic] = await Promise.all(
      [band.sr, band.bicubic].map((pixels) => pieces(pixels, size.width, band.top)),
    );
    const pixels = band.sr.buffer;
    report({ kind: "band", pixels, sr, bicubic }, [pixels, ...[...sr, ...bicubic].map((piece) => piece.bitmap)]);
  }
  report({ kind: "done" });
}

function pieces(pixels: Uint8ClampedArray<ArrayBuffer>, width: number, top: number): Promise<Piece[]> {
  const image = new ImageData(pixels, width);
  const lefts = Array.from({ length: Math.ceil(width / PIECE) }, (_, i) => i * PIECE);
  return Promise.all(
    lefts.map(async (left) => {
      const wide = Math.min(PIECE, width - left);
      return { left, top, bitmap: await createImageBitmap(image, left, 0, wide, image.height) };
    }),
  );
}

function explanation(error: unknown): string {
  if (error instanceof PictureError) return error.message;
  const text = String(error);
  if (error instanceof RangeError || /memory|allocat|bad_alloc/i.test(text)) {
    return "There is not enough memory for this picture at this size. Close other tabs, or choose a smaller size.";
  }
  return `The picture could not be enlarged: ${text}`;
}

function report(message: Report, transfer: Transferable[] = []): void {
  (self as unknown as Worker).postMessage(message, transfer);
}
