/** Messages between the page and its workers. */

import type { Weights } from "./network";
import type { Size } from "./photo";
import type { Target } from "./target";

/** What to say if a file of the page cannot be loaded. */
export const MISSING = "A part of the page is missing: check the network, and load the page again.";

/** How to enlarge a picture. */
export interface Settings {
  target: Target;
  /** "auto" takes "cms-lapsrn-photo" for files with lossy compression. */
  weights: Weights | "auto";
  /** Whether to run half of the network's recursions. */
  fast: boolean;
}

/** Asks src/worker.ts to enlarge a file. */
export interface Order extends Settings {
  file: File;
}

/** A part of a picture to show, at its place in the result. */
export interface Piece {
  left: number;
  top: number;
  bitmap: ImageBitmap;
}

/** What src/worker.ts answers: `opened`, then `progress` and `band` many times, at last `done`; or `failed`. */
export type Report =
  | { kind: "opened"; shape: Size; size: Size; channels: number; weights: Weights; runs: string }
  | { kind: "progress"; share: number }
  | { kind: "band"; top: number; srPixels: ArrayBuffer; bicubicPixels: ArrayBuffer; sr: Piece[]; bicubic: Piece[] }
  | { kind: "done"; runs: string }
  | { kind: "failed"; message: string };

/** Asks src/encode.ts for files. */
export interface Encoding {
  pictures: { name: string; bands: Blob[]; size: Size; channels: number }[];
  format: Format;
  /** From 0 to 1, for JPEG and WebP. */
  quality: number;
}

export type Format = "png" | "jpeg" | "webp";

/** What src/encode.ts answers. */
export type Encoded = { blob: Blob; name: string } | { message: string };
