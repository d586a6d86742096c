/** A picture of any size on a canvas: pieces for close views, and one small copy for views of the whole. */

import type { Piece } from "./messages";
import type { Size } from "./photo";

const OVERVIEW = 2048; // pixels along the longer side of the small copy

/** What part of a picture a canvas shows: its pixel (x, y) at the canvas's corner, `zoom` canvas pixels a pixel. */
export interface View {
  x: number;
  y: number;
  zoom: number;
}

export class Layer {
  private readonly pieces: Piece[] = [];
  private readonly overview: HTMLCanvasElement;
  private readonly scale: number;

  /** @param size of the pictures that it holds. */
  constructor(readonly size: Size) {
    this.scale = Math.min(1, OVERVIEW / Math.max(size.width, size.height));
    this.overview = document.createElement("canvas");
    this.overview.width = Math.max(1, Math.round(size.width * this.scale));
    this.overview.height = Math.max(1, Math.round(size.height * this.scale));
  }

  add(piece: Piece): void {
    const context = this.overview.getContext("2d")!;
    context.imageSmoothingQuality = "high";
    draw(context, piece, { x: 0, y: 0, zoom: this.scale });
    if (this.scale < 1) this.pieces.push(piece);
    else piece.bitmap.close();
  }

  /** Draws the picture as if it were `size` large, with hard pixels from `zoom` 1 on. */
  draw(context: CanvasRenderingContext2D, view: View, size: Size = this.size): void {
    const zoom = (view.zoom * size.width) / this.size.width;
    const shrink = size.width / this.size.width;
    const at = { x: view.x / shrink, y: view.y / shrink, zoom };
    context.imageSmoothingEnabled = zoom < 1;
    context.imageSmoothingQuality = "medium";
    if (this.scale === 1 || zoom < this.scale) {
      draw(
        context,
        { left: 0, top: 0, bitmap: this.overview },
        { ...at, x: at.x * this.scale, y: at.y * this.scale, zoom: zoom / this.scale },
      );
    } else for (const piece of this.pieces) draw(context, piece, at);
  }

  close(): void {
    for (const piece of this.pieces) piece.bitmap.close();
    this.pieces.length = 0;
    this.overview.width = this.overview.height = 0;
  }
}

interface Drawable {
  left: number;
  top: number;
  bitmap: CanvasImageSource & Size;
}

/** Draws the visible part of a piece, with edges on whole canvas pixels so that no seam shows. */
function draw(context: CanvasRenderingContext2D, { left, top, bitmap }: Drawable, { x, y, zoom }: View): void {
  const [x0, x1] = [Math.round((left - x) * zoom), Math.round((left + bitmap.width - x) * zoom)];
  const [y0, y1] = [Math.round((top - y) * zoom), Math.round((top + bitmap.height - y) * zoom)];
  const { width, height } = context.canvas;
  if (x1 <= 0 || y1 <= 0 || x0 >= width || y0 >= height) return;
  context.drawImage(bitmap, x0, y0, Math.max(1, x1 - x0), Math.max(1, y1 - y0));
}
