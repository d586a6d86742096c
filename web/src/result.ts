/** A result, whole or as far as it is ready. */

import { Layer } from "./layer";
import type { Report, Settings } from "./messages";
import type { Weights } from "./network";
import type { Size } from "./photo";
import { pieces } from "./pieces";

type Band = Extract<Report, { kind: "band" }>;

/** A part of the result's rows as RGBA. The browser may keep the bytes on disk. */
interface Rows {
  top: number;
  sr: Blob;
  bicubic: Blob;
}

/** What the viewer draws. It takes three times the memory of the result. */
interface Layers {
  sr: Layer;
  bicubic: Layer;
  /** Null if the file is no longer there. */
  source: Layer | null;
}

export class Result {
  /** Only while the result is shown. */
  layers: Layers | null = null;
  private shown = false;
  private readonly rows: Rows[] = [];
  private drawn = 0; // of the rows

  readonly size: Size;
  readonly channels: number;
  readonly weights: Weights;

  constructor(
    opened: Extract<Report, { kind: "opened" }>,
    readonly settings: Settings,
    private readonly file: File,
  ) {
    ({ size: this.size, channels: this.channels, weights: this.weights } = opened);
  }

  /** The bytes of the result, from top to bottom. */
  get bands(): Blob[] {
    return this.rows.map(({ sr }) => sr);
  }

  /** Whether everything that is ready can be drawn. */
  get whole(): boolean {
    return this.drawn === this.rows.length;
  }

  add(band: Band): void {
    const draw = this.layers !== null && this.whole;
    this.rows.push({ top: band.top, sr: new Blob([band.srPixels]), bicubic: new Blob([band.bicubicPixels]) });
    if (draw) this.draw(band);
    else for (const { bitmap } of [...band.sr, ...band.bicubic]) bitmap.close();
  }

  /** Makes the layers, and calls `changed` whenever there is more to draw. Without enough memory, makes none. */
  async show(changed: () => void): Promise<void> {
    if (this.shown) return;
    this.shown = true;
    try {
      await this.open(changed);
    } catch {
      this.hide();
    }
  }

  private async open(changed: () => void): Promise<void> {
    const { size } = this;
    const source = await createImageBitmap(this.file, { premultiplyAlpha: "none" }).catch(() => null);
    if (!this.shown || this.layers) return source?.close();
    const layers = { sr: new Layer(size), bicubic: new Layer(size), source: source && new Layer(source) };
    this.layers = layers;
    if (source) layers.source!.add({ left: 0, top: 0, bitmap: source });
    while (this.layers === layers && !this.whole) {
      const { top, ...blobs } = this.rows[this.drawn];
      const [sr, bicubic] = await Promise.all(
        [blobs.sr, blobs.bicubic].map(async (blob) =>
          pieces(new Uint8ClampedArray(await blob.arrayBuffer()), size.width, top),
        ),
      );
      if (this.layers !== layers) for (const { bitmap } of [...sr, ...bicubic]) bitmap.close();
      else this.draw({ sr, bicubic });
      changed();
    }
    changed();
  }

  /** Frees the layers. */
  hide(): void {
    for (const layer of Object.values(this.layers ?? {})) layer?.close();
    this.layers = null;
    this.drawn = 0;
    this.shown = false;
  }

  private draw({ sr, bicubic }: Pick<Band, "sr" | "bicubic">): void {
    for (const piece of sr) this.layers!.sr.add(piece);
    for (const piece of bicubic) this.layers!.bicubic.add(piece);
    this.drawn++;
  }
}
