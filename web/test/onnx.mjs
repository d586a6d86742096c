/**
 * Times ONNX files in WebAssembly, in turns, for benchmarks/onnx_convolution.py: node onnx.mjs THREADS SIDE ROUNDS FILE ...
 *
 * Prints [[seconds, ...], ...] without the first runs.
 */

import fs from "node:fs";
import ort from "../node_modules/onnxruntime-web/dist/ort.node.min.mjs";

const [threads, side, rounds, ...files] = process.argv.slice(2);
ort.env.wasm.numThreads = Number(threads);
ort.env.logLevel = "error";
const pixels = Float32Array.from({ length: side ** 2 }, Math.random);
const image = new ort.Tensor("float32", pixels, [1, 1, Number(side), Number(side)]);
const options = { executionProviders: ["wasm"] };
const sessions = await Promise.all(files.map((file) => ort.InferenceSession.create(fs.readFileSync(file), options)));
const seconds = sessions.map(() => []);
for (let round = 0; round <= rounds; round++) {
  for (const [i, session] of sessions.entries()) {
    const start = performance.now();
    await session.run({ image });
    if (round) seconds[i].push((performance.now() - start) / 1000);
  }
}
console.log(JSON.stringify(seconds));
process.exit(); // the threads would keep the process
