/** The worker that enlarges: it decodes one file at a time, and reports bands as they are ready. */

import { decode } from "./decode";
import { enlarged } from "./enlarge";
import { checkSize } from "./limits";
import { MISSING, type Order, type Report } from "./messages";
import { description } from "./network";
import { PictureError } from "./photo";
import { pieces } from "./pieces";
import { targetSize } from "./target";

self.onmessage = async ({ data }: MessageEvent<Order>) => {
  try {
    await enlarge(data);
  } catch (error) {
    report({ kind: "failed", message: explanation(error) });
  }
};

async function enlarge({ file, target, weights, fast }: Order): Promise<void> {
  const photo = await decode(file);
  const size = targetSize(photo, target);
  checkSize(size, "The result", "Choose a smaller size.");
  const channels = (photo.gray ? 1 : 3) + (photo.transparent ? 1 : 0);
  const shape = { width: photo.width, height: photo.height };
  const used = weights !== "auto" ? weights : photo.lossy ? "cms-lapsrn-photo" : "cms-lapsrn";
  report({ kind: "opened", shape, size, channels, weights: used, runs: await description() });
  for await (const band of enlarged(photo, size, used, fast, (share) => report({ kind: "progress", share }))) {
    const [sr, bicubic] = await Promise.all(
      [band.sr, band.bicubic].map((pixels) => pieces(pixels, size.width, band.top)),
    );
    const [srPixels, bicubicPixels] = [band.sr.buffer, band.bicubic.buffer];
    const bitmaps = [...sr, ...bicubic].map((piece) => piece.bitmap);
    report({ kind: "band", top: band.top, srPixels, bicubicPixels, sr, bicubic }, [srPixels, bicubicPixels, ...bitmaps]);
  }
  report({ kind: "done", runs: await description() }); // it may have changed since the beginning
}

function explanation(error: unknown): string {
  if (error instanceof PictureError) return error.message;
  const text = String(error);
  if (error instanceof RangeError || /memory|allocat|bad_alloc/i.test(text)) {
    return "There is not enough memory for this picture at this size. Close other tabs, or choose a smaller size.";
  }
  if (/fetch|import/i.test(text)) return MISSING;
  return `The picture could not be enlarged: ${text}`;
}

function report(message: Report, transfer: Transferable[] = []): void {
  (self as unknown as Worker).postMessage(message, transfer);
}
