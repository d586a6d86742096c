/**
 * Times UpscalerJS with its default model, for benchmarks/page.py: node upscalerjs.mjs FOLDER PICTURE ROUNDS
 *
 * FOLDER has the packages upscaler and @tensorflow/tfjs. Prints {backend: [seconds, ...]} without the first call.
 */

import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import puppeteer from "puppeteer-core";

const [folder, picture, rounds] = process.argv.slice(2);
const MODULES = "node_modules";
const SCRIPTS = [
  "@tensorflow/tfjs/dist/tf.min.js",
  "@upscalerjs/default-model/dist/umd/index.min.js",
  "upscaler/dist/browser/umd/upscaler.min.js",
];
const server = http.createServer((request, response) => {
  const file = request.url === "/" ? null : request.url === "/picture" ? picture : path.join(folder, request.url);
  response.setHeader("Content-Type", file ? "application/octet-stream" : "text/html");
  response.end(file && fs.existsSync(file) ? fs.readFileSync(file) : "<!doctype html>");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-swiftshader"],
  protocolTimeout: 600_000,
});
const answer = {};
try {
  for (const backend of ["webgl", "cpu"]) {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    for (const script of SCRIPTS) await page.addScriptTag({ path: path.join(folder, MODULES, script) });
    answer[backend] = await page.evaluate(async (backend, rounds) => {
      await tf.setBackend(backend);
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
    }, backend, Number(rounds));
    await page.close();
  }
  console.log(JSON.stringify(answer));
} finally {
  await browser.close();
  server.close();
}
