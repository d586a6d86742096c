/** Saves results as files, which a worker makes. */

import { MISSING, type Encoded, type Encoding, type Format } from "./messages";
import type { Picture } from "./picture";

/**
 * Saves the results of one picture, or of several as a zip.
 * @returns an error for a person to read, or an empty string.
 */
export async function download(pictures: Picture[], format: Format, quality: number): Promise<string> {
  const worker = new Worker(new URL("./encode.ts", import.meta.url), { type: "module", name: "encode" });
  try {
    const answer = await new Promise<Encoded>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<Encoded>) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        resolve({ message: event.message ? "The file could not be written, most likely for lack of memory." : MISSING });
      };
      const order: Encoding = {
        pictures: pictures.map(({ file, result }) => {
          const { bands, size, channels } = result!;
          return { name: file.name, bands, size, channels };
        }),
        format,
        quality,
      };
      worker.postMessage(order);
    });
    if ("message" in answer) return answer.message;
    save(answer.blob, answer.name);
    return "";
  } finally {
    worker.terminate();
  }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
