/** Enlarges pictures one after the other in a worker. A worker that fails or is cancelled is replaced. */

import { MISSING, type Order, type Report, type Settings } from "./messages";
import type { Picture } from "./picture";
import { Result } from "./result";

export interface Listener {
  /** The state or the result of a picture changed. */
  changed(picture: Picture): void;
  /** More of a picture is done. */
  progressed(picture: Picture): void;
  /** What runs the network became known. */
  runs(description: string): void;
}

interface Job {
  picture: Picture;
  settings: Settings;
}

export class Queue {
  private worker: Worker | null = null;
  private jobs: Job[] = [];

  constructor(private readonly listener: Listener) {}

  /** The picture in work, if any. */
  get current(): Picture | null {
    return this.jobs[0]?.picture ?? null;
  }

  /** Asks for a picture. */
  add(picture: Picture, settings: Settings): void {
    picture.forget();
    picture.status = "working";
    picture.message = "";
    this.jobs.push({ picture, settings });
    this.listener.changed(picture);
    if (this.jobs.length === 1) this.next();
  }

  /** Stops the work on a picture at once, or takes it back. */
  cancel(picture: Picture): void {
    const running = this.current === picture;
    if (!this.jobs.some((job) => job.picture === picture)) return;
    this.jobs = this.jobs.filter((job) => job.picture !== picture);
    picture.forget();
    picture.status = "cancelled";
    if (running) this.replace();
    this.listener.changed(picture);
    if (running) this.next();
  }

  private next(): void {
    const [job] = this.jobs;
    if (!job) return;
    this.worker ??= this.hire();
    this.worker.postMessage({ file: job.picture.file, ...job.settings } satisfies Order);
  }

  private hire(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "enlarge" });
    worker.onmessage = ({ data }: MessageEvent<Report>) => this.reported(data);
    worker.onerror = (event) => {
      event.preventDefault();
      const stopped = "The browser stopped the work, most likely for lack of memory. Choose a smaller size.";
      this.reported({ kind: "failed", message: event.message ? stopped : MISSING });
    };
    return worker;
  }

  private replace(): void {
    this.worker?.terminate();
    this.worker = null;
  }

  private reported(report: Report): void {
    const [job] = this.jobs;
    if (!job) return;
    const { picture, settings } = job;
    switch (report.kind) {
      case "opened":
        picture.shape = report.shape;
        picture.result = new Result(report, settings, picture.file);
        picture.started = performance.now();
        this.listener.runs(report.runs);
        break;
      case "progress":
        picture.share += report.share;
        this.listener.progressed(picture);
        return;
      case "band":
        picture.result!.add(report);
        break;
      case "done":
        picture.status = "done";
        this.listener.runs(report.runs);
        this.jobs.shift();
        break;
      case "failed":
        picture.fail(report.message);
        this.jobs.shift();
        this.replace(); // its memory may be in any state
    }
    this.listener.changed(picture);
    if (report.kind === "done" || report.kind === "failed") this.next();
  }
}
