/** A decoded picture. */
export interface Photo {
  width: number;
  height: number;
  /** Whether the file holds one channel of colour: the network enlarges it as it is, without a detour by luminance. */
  gray: boolean;
  /** Whether the file's format has lost detail. */
  lossy: boolean;
  /** RGBA, four bytes a pixel, not premultiplied. */
  pixels: Uint8ClampedArray;
  /** Whether any pixel is not opaque. */
  transparent: boolean;
}

/** Width and height in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** An error whose message a person can act on. */
export class PictureError extends Error {}
