/**
 * Times UpscalerJS with its default model, for benchmarks/page.py: node upscalerjs.mjs FOLDER PICTURE ROUNDS
 *
 * FOLDER has the packages upscaler, @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm. Prints [seconds, ...] without the
 * first call. WebAssembly is the fastest of its backends on a processor.
 */

import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import puppeteer from "puppeteer-core";

const [folder, picture, rounds] = process.argv.slice(2);
const MODULES = "node_modules";
const SCRIPTS = [
  "@tensorflow/tfjs/dist/tf.min.js",
  "@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.min.js",
  "@upscalerjs/default-model/dist/umd/index.min.js",
  "upscaler/dist/browser/umd/upscaler.min.js",
];
const server = http.createServer((request, response) => {
  const file = request.url === "/" ? null : request.url === "/picture" ? picture : path.join(folder, request.url);
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
  response.setHeader("Content-Type", file?.endsWith(".wasm") ? "application/wasm" : file ? "application/octet-stream" : "text/html");
  response.end(file && fs.existsSync(file) ? fs.readFileSync(file) : "<!doctype html>");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  protocolTimeout: 600_000,
});
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  for (const script of SCRIPTS) await page.addScriptTag({ path: path.join(folder, MODULES, script) });
  const seconds = await page.evaluate(async (rounds) => {
    tf.wasm.setWasmPaths("/node_modules/@tensorflow/tfjs-backend-wasm/dist/");
    await tf.setBackend("wasm");
    const model = { ...DefaultUpscalerJSModel, path: "/node_modules/@upscalerjs/default-model/models/model.json" };
    const upscaler = new Upscaler({ model });
    const image = new Image();
    image.src = "/picture";
    await image.decode();
    const seconds = [];
    for (let i = 0; i <= rounds; i++) {
      const start = performance.now();
      const result = await upscaler.upscale(image, { output: "tensor" });
      await result.data();
      if (i) seconds.push((performance.now() - start) / 1000);
      result.dispose();
    }
    return seconds;
  }, Number(rounds));
  console.log(JSON.stringify(seconds));
} finally {
  await browser.close();
  server.close();
}
