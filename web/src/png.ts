/** Writes PNG with the colours of transparent pixels as they are: a canvas would lose some. */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/**
 * Encodes a picture.
 * @param bands RGBA, four bytes a pixel, in any number of parts of whole rows.
 * @param channels what to keep: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
 */
export async function encodePng(bands: Blob[], width: number, height: number, channels: number): Promise<Blob> {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, [0, 4, 2, 6][channels - 1]);

  const zlib = new CompressionStream("deflate");
  const writer = zlib.writable.getWriter();
  const write = async (): Promise<void> => {
    let above: Uint8Array = new Uint8Array(width * channels);
    for (const band of bands) {
      const pixels = new Uint8Array(await band.arrayBuffer());
      const rows = pixels.length / (4 * width);
      const lines = new Uint8Array(rows * (1 + width * channels));
      for (let y = 0; y < rows; y++) {
        const row = selected(pixels.subarray(4 * width * y, 4 * width * (y + 1)), channels);
        const line = lines.subarray(y * (1 + row.length), (y + 1) * (1 + row.length));
        line[0] = 4;
        for (let i = 0; i < row.length; i++) {
          const left = i < channels ? 0 : row[i - channels];
          const corner = i < channels ? 0 : above[i - channels];
          line[1 + i] = row[i] - paeth(left, above[i], corner);
        }
        above = row;
      }
      await writer.write(lines);
    }
    await writer.close();
  };
  const written = write().catch((error) => writer.abort(error)); // the reader below throws it
  const parts: BlobPart[] = [new Uint8Array(SIGNATURE), chunk("IHDR", new Uint8Array(header.buffer))];
  const reader = zlib.readable.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) parts.push(chunk("IDAT", part.value));
  await written;
  parts.push(chunk("IEND", new Uint8Array()));
  return new Blob(parts, { type: "image/png" });
}

function selected(rgba: Uint8Array, channels: number): Uint8Array {
  if (channels === 4) return rgba;
  const kept = channels === 1 ? [0] : channels === 2 ? [0, 3] : [0, 1, 2];
  const row = new Uint8Array((rgba.length / 4) * channels);
  for (let i = 0, o = 0; i < rgba.length; i += 4) for (const c of kept) row[o++] = rgba[i + c];
  return row;
}

function paeth(a: number, b: number, c: number): number {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

function chunk(kind: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(12 + data.length);
  const view = new DataView(result.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) result[4 + i] = kind.charCodeAt(i);
  result.set(data, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < 8 + data.length; i++) crc = CRC[(crc ^ result[i]) & 0xff] ^ (crc >>> 8);
  view.setUint32(8 + data.length, ~crc >>> 0);
  return result;
}
