/** A picture of the list: its file, what became of it, and its result. */

import { readHeader } from "./header";
import { Layer } from "./layer";
import { checkSize } from "./limits";
import type { Report, Settings } from "./messages";
import { PictureError, type Size } from "./photo";

const PREVIEW = 1024; // pixels across, of what is shown before the work starts

export type Status = "waiting" | "working" | "done" | "failed" | "cancelled";

let count = 0;

export class Picture {
  readonly id = ++count;
  status: Status = "waiting";
  /** Why it failed. */
  message = "";
  /** From 0 to 1. */
  share = 0;
  /** When the network started, in milliseconds. */
  started = 0;
  /** Of the file as it is shown, once known. */
  shape: Size | null = null;
  preview: Layer | null = null;
  result: Result | null = null;

  constructor(readonly file: File) {}

  /** Reads the header and makes the preview. A picture that the page cannot read fails here. */
  async open(): Promise<void> {
    try {
      const header = readHeader(new Uint8Array(await this.file.arrayBuffer()));
      checkSize(header, "The picture", "Cut it into parts first.");
      const options: ImageBitmapOptions = { resizeWidth: Math.min(header.width, PREVIEW), resizeQuality: "medium" };
      const bitmap = await createImageBitmap(this.file, options).catch(() => {
        throw new PictureError("The file is damaged, or this browser cannot read its format.");
      });
      const turned = bitmap.width > bitmap.height !== header.width > header.height && header.width !== header.height;
      this.shape = turned ? { width: header.height, height: header.width } : header;
      this.preview = new Layer({ width: bitmap.width, height: bitmap.height });
      this.preview.add({ left: 0, top: 0, bitmap });
    } catch (error) {
      this.fail(error instanceof PictureError ? error.message : "The file could not be read.");
    }
  }

  fail(message: string): void {
    this.status = "failed";
    this.message = message;
    this.forget();
  }

  /** Frees the result. */
  forget(): void {
    this.result?.close();
    this.result = null;
    this.share = 0;
  }
}

/** A result, whole or as far as it is ready. */
export class Result {
  readonly sr: Layer;
  readonly bicubic: Layer;
  readonly source: Layer;
  /** RGBA as bytes: the browser may keep them on disk. */
  readonly bands: Blob[] = [];

  constructor(
    readonly size: Size,
    readonly channels: number,
    readonly settings: Settings,
    source: ImageBitmap,
  ) {
    this.sr = new Layer(size);
    this.bicubic = new Layer(size);
    this.source = new Layer({ width: source.width, height: source.height });
    this.source.add({ left: 0, top: 0, bitmap: source });
  }

  add(band: Extract<Report, { kind: "band" }>): void {
    this.bands.push(new Blob([band.pixels]));
    for (const piece of band.sr) this.sr.add(piece);
    for (const piece of band.bicubic) this.bicubic.add(piece);
  }

  close(): void {
    for (const layer of [this.sr, this.bicubic, this.source]) layer.close();
    this.bands.length = 0;
  }
}
