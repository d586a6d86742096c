/** The first bytes of a file: its format and size, before anything is decoded. */

import { PictureError } from "./photo";

export interface Header {
  format: "PNG" | "JPEG" | "WebP" | "BMP" | "AVIF";
  width: number;
  height: number;
  gray: boolean;
  /** Whether the format has lost detail. AVIF counts as lossy, although it need not be. */
  lossy: boolean;
}

const SUPPORTED = "this page reads PNG, JPEG, WebP, AVIF and BMP";
const CUT_OFF = "The file is cut off or damaged.";

/**
 * Reads the header of a whole file.
 * @throws PictureError the file is no picture that the page reads, or its end is missing.
 */
export function readHeader(bytes: Uint8Array): Header {
  if (bytes.length === 0) throw new PictureError("The file is empty.");
  const text = (start: number, length: number): string => String.fromCharCode(...bytes.subarray(start, start + length));
  const found =
    text(1, 3) === "PNG" && bytes[0] === 0x89
      ? png(bytes, text)
      : bytes[0] === 0xff && bytes[1] === 0xd8
        ? jpeg(bytes)
        : text(0, 4) === "RIFF" && text(8, 4) === "WEBP"
          ? webp(bytes, text)
          : text(0, 2) === "BM" && bytes.length > 26
            ? bmp(bytes)
            : text(4, 4) === "ftyp"
              ? avif(bytes, text)
              : null;
  if (!found) throw new PictureError(refusal(text(0, 300)));
  if (!(found.width > 0 && found.height > 0)) throw new PictureError(CUT_OFF);
  return found;
}

type Text = (start: number, length: number) => string;

function png(bytes: Uint8Array, text: Text): Header {
  if (bytes.length < 33) throw new PictureError(CUT_OFF);
  const view = viewOf(bytes);
  const kind = bytes[25];
  for (let at = 8; ;) {
    if (at + 12 > bytes.length) throw new PictureError(CUT_OFF);
    const chunk = text(at + 4, 4);
    if (chunk === "acTL") throw new PictureError(several());
    if (chunk === "IEND") break;
    at += 12 + view.getUint32(at);
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  return { format: "PNG", width, height, gray: kind === 0 || kind === 4, lossy: false };
}

function jpeg(bytes: Uint8Array): Header {
  const view = viewOf(bytes);
  for (let at = 2; at + 10 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker === 0xff)
      at += 1; // padding
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      if (!ends(bytes, at)) throw new PictureError(CUT_OFF);
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return { format: "JPEG", width, height, gray: bytes[at + 9] === 1, lossy: true };
    } else at += 2 + view.getUint16(at + 2);
  }
  throw new PictureError(CUT_OFF);
}

/** Whether JPEG's end marker follows a position. Decoders fill in what is missing, and say nothing. */
function ends(bytes: Uint8Array, after: number): boolean {
  for (let at = bytes.length - 2; at > after; at--) if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  return false;
}

function webp(bytes: Uint8Array, text: Text): Header {
  const view = viewOf(bytes);
  if (bytes.length < 30 || view.getUint32(4, true) + 8 > bytes.length) throw new PictureError(CUT_OFF);
  const lossy = !lossless(bytes, text);
  const size = (width: number, height: number): Header => ({ format: "WebP", width, height, gray: false, lossy });
  const uint24 = (at: number): number => view.getUint16(at, true) + (bytes[at + 2] << 16);
  switch (text(12, 4)) {
    case "VP8X":
      if (bytes[20] & 2) throw new PictureError(several());
      return size(uint24(24) + 1, uint24(27) + 1);
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return size((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1);
    }
    default:
      return size(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
  }
}

/** Whether the first chunk of pixels is a lossless one. */
function lossless(bytes: Uint8Array, text: Text): boolean {
  for (let at = 12; at + 8 <= bytes.length;) {
    const chunk = text(at, 4);
    if (chunk === "VP8L" || chunk === "VP8 ") return chunk === "VP8L";
    const length = viewOf(bytes).getUint32(at + 4, true);
    at += 8 + length + (length % 2);
  }
  return false;
}

function bmp(bytes: Uint8Array): Header {
  const view = viewOf(bytes);
  const [width, height] = [view.getInt32(18, true), Math.abs(view.getInt32(22, true))];
  return { format: "BMP", width, height, gray: false, lossy: false };
}

function avif(bytes: Uint8Array, text: Text): Header | null {
  const brands = text(8, Math.min(viewOf(bytes).getUint32(0), 64));
  if (brands.includes("avis")) throw new PictureError(several());
  if (!brands.includes("avif")) return null;
  let [width, height] = [0, 0]; // of the largest image: there may be thumbnails
  for (let at = 4; at + 16 <= Math.min(bytes.length, 65536); at++) {
    if (text(at, 4) !== "ispe") continue;
    const view = viewOf(bytes);
    [width, height] = [Math.max(width, view.getUint32(at + 8)), Math.max(height, view.getUint32(at + 12))];
  }
  return { format: "AVIF", width, height, gray: false, lossy: true };
}

function refusal(start: string): string {
  if (/^....ftyp(heic|heix|hevc|mif1|msf1|heim|heis)/s.test(start)) {
    return `This is a HEIC picture, and ${SUPPORTED}: save it as JPEG first.`;
  }
  if (/^(II\*\0|MM\0\*)/.test(start)) return `This is a TIFF picture, and ${SUPPORTED}: the command lapsrn reads it.`;
  if (start.startsWith("GIF8")) return `This is a GIF picture, and ${SUPPORTED}: save it as PNG first.`;
  if (/<svg[\s>]/i.test(start)) return "This is an SVG drawing: it has no pixels, and is sharp at any size.";
  return `This is not a picture that the page can read: ${SUPPORTED}.`;
}

const several = (): string => "The file holds several pictures: save the one to enlarge as a separate file.";

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
