/** A picture of the list: its file, what became of it, and its result. */

import { readHeader } from "./header";
import { Layer } from "./layer";
import { checkSize } from "./limits";
import { PictureError, type Size } from "./photo";
import type { Result } from "./result";

const PREVIEW = 1024; // pixels across, of what is shown before the work starts
const LONG = 4; // times the preview's width that its height may be

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
      const [short, long] = [Math.min(header.width, header.height), Math.max(header.width, header.height)];
      let across = Math.min(header.width, PREVIEW);
      if (long > LONG * short) {
        const probe = await this.bitmap(64); // EXIF may turn what the header says
        const tall = probe.height > probe.width;
        probe.close();
        across = tall ? Math.ceil((short * Math.min(long, LONG * PREVIEW)) / long) : Math.min(long, PREVIEW);
      }
      const bitmap = await this.bitmap(across);
      const turned = (bitmap.width - bitmap.height) * (header.width - header.height) < 0;
      this.shape = turned ? { width: header.height, height: header.width } : header;
      this.preview = new Layer({ width: bitmap.width, height: bitmap.height });
      this.preview.add({ left: 0, top: 0, bitmap });
    } catch (error) {
      this.fail(error instanceof PictureError ? error.message : "The file could not be read.");
    }
  }

  private bitmap(resizeWidth: number): Promise<ImageBitmap> {
    return createImageBitmap(this.file, { resizeWidth, resizeQuality: "medium" }).catch(() => {
      throw new PictureError("The file is damaged, or this browser cannot read its format.");
    });
  }

  fail(message: string): void {
    this.status = "failed";
    this.message = message;
    this.forget();
  }

  /** Frees the result. */
  forget(): void {
    this.result?.hide();
    this.result = null;
    this.share = 0;
  }
}
