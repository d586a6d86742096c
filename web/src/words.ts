/** Sentences and numbers for people. */

import type { Picture } from "./picture";
import type { Size } from "./photo";

export const sizeText = ({ width, height }: Size): string => `${width} × ${height}`;

export const percent = (share: number): string => `${Math.floor(100 * Math.min(share, 1))} %`;

/** How long the rest takes, judged by what is done; empty while nothing is. */
export function timeLeft(picture: Picture, now = performance.now()): string {
  if (picture.share <= 0) return "";
  const seconds = (((now - picture.started) / 1000) * (1 - picture.share)) / picture.share;
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `about ${minutes} min left` : `about ${Math.round(minutes / 60)} h left`;
}

/** The state of a picture in a few words. */
export function stateText(picture: Picture, current: boolean): string {
  switch (picture.status) {
    case "waiting":
      return picture.shape ? sizeText(picture.shape) : "";
    case "working":
      return current ? `${percent(picture.share)} ${timeLeft(picture)}`.trim() : "waits for its turn";
    case "done":
      return picture.result ? sizeText(picture.result.size) : "";
    case "failed":
      return picture.message;
    case "cancelled":
      return "cancelled";
  }
}
