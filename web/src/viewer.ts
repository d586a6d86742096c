/** The view of a result: before and after with a border between them that moves, zoom and pan. */

import type { Layer, View } from "./layer";
import type { Size } from "./photo";

const MOST = 32; // canvas pixels a pixel

/** What the viewer shows. Until `after` is whole, `preview` shows through. */
export interface Shown {
  size: Size;
  preview?: Layer;
  before?: Layer;
  after?: Layer;
  label: string;
  complete: boolean;
}

/** The elements of the viewer. */
export interface Parts {
  viewport: HTMLElement;
  canvas: HTMLCanvasElement;
  split: HTMLInputElement;
  handle: HTMLElement;
  zoom: HTMLOutputElement;
}

export class Viewer {
  private view: View = { x: 0, y: 0, zoom: 1 };
  private fitted = true;
  private shown: Shown | null = null;
  private queued = false;
  private readonly pointers = new Map<number, { x: number; y: number }>();

  constructor(private readonly parts: Parts) {
    const { canvas, viewport, split, handle } = parts;
    new ResizeObserver(() => this.resized()).observe(viewport);
    split.addEventListener("input", () => this.redraw());
    handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const { left, width } = viewport.getBoundingClientRect();
      split.valueAsNumber = (100 * (event.clientX - left)) / width;
      this.redraw();
    });
    canvas.addEventListener("pointerdown", (event) => this.pressed(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const kind of ["pointerup", "pointercancel"] as const) {
      canvas.addEventListener(kind, (event) => this.pointers.delete(event.pointerId));
    }
    canvas.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    canvas.addEventListener("dblclick", (event) => this.zoomBy(this.view.zoom < 1 ? 1 / this.view.zoom : 2, event));
    canvas.addEventListener("keydown", (event) => this.keyed(event));
  }

  /** Shows another picture, or the same with more of it. Keeps the place unless the size changes. */
  show(shown: Shown | null): void {
    const [old, now] = [this.shown?.size, shown?.size];
    this.shown = shown;
    this.parts.canvas.setAttribute("aria-label", shown?.label ?? "No picture");
    if (now && (old?.width !== now.width || old?.height !== now.height)) this.fit();
    this.redraw();
  }

  /** Shows the whole picture. */
  fit(): void {
    const { canvas } = this.parts;
    if (!this.shown) return;
    const { width, height } = this.shown.size;
    const zoom = Math.min(canvas.width / width, canvas.height / height, 8);
    this.fitted = true;
    this.view = { zoom, x: (width - canvas.width / zoom) / 2, y: (height - canvas.height / zoom) / 2 };
    this.redraw();
  }

  /** Shows each pixel of the result as one of the screen. */
  pixels(): void {
    this.zoomBy(1 / this.view.zoom);
  }

  /** Zooms by a factor about a point of the screen, or about the centre. */
  zoomBy(factor: number, about?: { clientX: number; clientY: number }): void {
    const { canvas } = this.parts;
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.width / (box.width || 1);
    const x = about ? (about.clientX - box.left) * ratio : canvas.width / 2;
    const y = about ? (about.clientY - box.top) * ratio : canvas.height / 2;
    const zoom = Math.min(Math.max(this.view.zoom * factor, this.least()), MOST);
    this.view.x += x / this.view.zoom - x / zoom;
    this.view.y += y / this.view.zoom - y / zoom;
    this.view.zoom = zoom;
    this.fitted = false;
    this.redraw();
  }

  private least(): number {
    const { canvas } = this.parts;
    const { width, height } = this.shown?.size ?? { width: 1, height: 1 };
    return Math.min(canvas.width / width, canvas.height / height, 1) / 2;
  }

  private panBy(x: number, y: number): void {
    const ratio = this.parts.canvas.width / (this.parts.canvas.clientWidth || 1);
    this.view.x -= (x * ratio) / this.view.zoom;
    this.view.y -= (y * ratio) / this.view.zoom;
    this.fitted = false;
    this.redraw();
  }

  private pressed(event: PointerEvent): void {
    this.parts.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  private moved(event: PointerEvent): void {
    const old = this.pointers.get(event.pointerId);
    if (!old) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const distance = (p: typeof now): number => Math.hypot(p.x - other.x, p.y - other.y) || 1;
      this.zoomBy(distance(now) / distance(old), { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 });
    } else this.panBy(now.x - old.x, now.y - old.y);
    this.pointers.set(event.pointerId, now);
  }

  private wheeled(event: WheelEvent): void {
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), event);
  }

  private keyed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 60;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.panBy(step, 0),
      ArrowRight: () => this.panBy(-step, 0),
      ArrowUp: () => this.panBy(0, step),
      ArrowDown: () => this.panBy(0, -step),
      "+": () => this.zoomBy(1.25),
      "=": () => this.zoomBy(1.25),
      "-": () => this.zoomBy(0.8),
      "0": () => this.fit(),
      "1": () => this.pixels(),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  private resized(): void {
    const { canvas, viewport } = this.parts;
    canvas.width = Math.max(1, Math.round(viewport.clientWidth * devicePixelRatio));
    canvas.height = Math.max(1, Math.round(viewport.clientHeight * devicePixelRatio));
    if (this.fitted) this.fit();
    this.draw(); // at once: a canvas that changed its size is empty
  }

  private redraw(): void {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.draw();
    });
  }

  private draw(): void {
    const { canvas, viewport, split, zoom } = this.parts;
    const context = canvas.getContext("2d")!;
    context.clearRect(0, 0, canvas.width, canvas.height);
    viewport.style.setProperty("--split", `${split.value}%`);
    zoom.value = `${Math.round(100 * this.view.zoom)} %`;
    if (!this.shown) return;
    const { preview, before, after, size, complete } = this.shown;
    const border = before && after ? Math.round((canvas.width * split.valueAsNumber) / 100) : canvas.width;
    for (const [layer, left, right] of [
      [before, 0, border],
      [after, border, canvas.width],
    ] as const) {
      context.save();
      context.beginPath();
      context.rect(left, 0, right - left, canvas.height);
      context.clip();
      if (!complete || !layer) preview?.draw(context, this.view, size);
      layer?.draw(context, this.view, size);
      context.restore();
    }
  }
}
