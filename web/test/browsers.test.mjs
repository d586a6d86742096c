/** Browsers and servers that lack something, and those that fail. LAPSRN_PICTURES names a folder of pictures. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fs from "node:fs/promises";
import path from "node:path";

import { add, BUILT, choose, enlarge, open, save, serve, states } from "./browser.mjs";

const PICTURES = process.env.LAPSRN_PICTURES;
const picture = (name) => path.join(PICTURES, name);

let server;

before(async () => (server = await serve()));
after(() => server.stop());

/** Opens the page in a browser of its own, and closes it after the test. */
async function opened(t, url, options) {
  const { browser, page, problems } = await open(url, options);
  t.after(() => browser.close());
  return { browser, page, problems };
}

const offline = (page) =>
  page.waitForFunction(() => document.querySelector("#offline").textContent === "Works offline");

test("if memory runs out, the page says so, and the next picture works", async (t) => {
  const { page } = await opened(t, server.url, {
    before: `WebAssembly.Memory = class extends WebAssembly.Memory {
      constructor(options) {
        super({ ...options, maximum: 1024 }); // pages of 64 KiB
      }
    };`,
  });
  await add(page, picture("large.png"), picture("small.png"));
  await choose(page, { scale: 2 });
  await enlarge(page);
  const [large, next] = await states(page);
  assert.equal(large[0], "failed");
  assert.match(large[1], /not enough memory for this picture at this size/);
  assert.deepEqual(next, ["done", "48 × 40"]);
});

test("if the GPU fails, WebAssembly takes over", async (t) => {
  const { page, problems } = await opened(t, server.url, {
    webgpu: true,
    before: `GPUAdapter.prototype.requestDevice = () => Promise.reject(new Error("lost"));`,
  });
  await add(page, picture("small.png"));
  await choose(page, { scale: 2 });
  await enlarge(page);
  assert.deepEqual(await states(page), [["done", "48 × 40"]]);
  assert.match(await page.$eval("#runs", (element) => element.textContent), /WebAssembly/);
  assert.deepEqual(problems, []);
});

test("a browser that hides pixels is named as the reason", async (t) => {
  const { page } = await opened(t, server.url, {
    before: `const read = OffscreenCanvasRenderingContext2D.prototype.getImageData;
      OffscreenCanvasRenderingContext2D.prototype.getImageData = function (...area) {
        const image = read.apply(this, area);
        crypto.getRandomValues(image.data);
        return image;
      };`,
  });
  await add(page, picture("small.png"));
  await enlarge(page);
  assert.match((await states(page))[0][1], /allow this page to read canvases/);
});

/** What the page says after a download in a format. */
async function download(page, format) {
  await page.select("#format", format);
  await page.click("#download-one");
  const text = await page.waitForFunction(() => {
    const { textContent } = document.querySelector("#download-message");
    return textContent.endsWith("…") ? "" : textContent;
  });
  return text.jsonValue();
}

test("a file that cannot be written gets a message", async (t) => {
  const { page, problems } = await opened(t, server.url, {
    before: `if (self.name === "encode") Blob.prototype.arrayBuffer = () => Promise.reject(new Error("the disk is full"));`,
  });
  await add(page, picture("small.png"));
  await enlarge(page);
  for (const format of ["png", "jpeg"]) {
    assert.equal(await download(page, format), "The file could not be written: the disk is full");
  }
  assert.deepEqual(problems, []);
});

test("a format that the browser cannot write gets a message, and another one works", async (t) => {
  const { browser, page } = await opened(t, server.url, {
    before: `if (self.name === "encode") {
      const convert = OffscreenCanvas.prototype.convertToBlob;
      OffscreenCanvas.prototype.convertToBlob = function () {
        return convert.call(this, { type: "image/png" }); // as browsers do for formats that they do not know
      };
    }`,
  });
  await add(page, picture("small.png"));
  await enlarge(page);
  assert.match(await download(page, "webp"), /this browser cannot write this format; choose another/);
  const folder = await fs.mkdtemp(path.join(PICTURES, "saved-"));
  await save(browser, page, folder, { format: "png" });
});

test("threads work on a server that knows nothing of them", async (t) => {
  const plain = await serve({ folder: BUILT });
  t.after(plain.stop);
  const { page, problems } = await opened(t, plain.url);
  await page.waitForFunction(() => crossOriginIsolated);
  await add(page, picture("small.png"));
  await enlarge(page);
  assert.deepEqual(await states(page), [["done", "48 × 40"]]);
  assert.deepEqual(problems, []);
});

test("a new version replaces the one that is kept", async (t) => {
  const folder = await fs.mkdtemp(path.join(PICTURES, "page-"));
  await fs.cp(BUILT, folder, { recursive: true });
  const plain = await serve({ folder });
  t.after(plain.stop);
  const { page } = await opened(t, plain.url);
  await page.waitForFunction(() => crossOriginIsolated);
  await offline(page);

  const [index, list] = [path.join(folder, "index.html"), path.join(folder, "files.json")];
  await fs.writeFile(index, (await fs.readFile(index, "utf8")).replace("<title>", "<title>New "));
  await fs.writeFile(path.join(folder, "assets", "new-1234.js"), "");
  await fs.writeFile(list, JSON.stringify([...JSON.parse(await fs.readFile(list, "utf8")), "assets/new-1234.js"]));
  await page.goto(plain.url);
  await offline(page);
  await plain.stop();
  for (const address of ["", "index.html", "?from=elsewhere"]) {
    await page.goto(new URL(address, plain.url).href);
    assert.match(await page.title(), /^New Enlarge/);
  }
  assert.equal(await page.evaluate(async () => (await fetch("./assets/new-1234.js")).status), 200);
  assert.equal((await page.evaluate(() => caches.keys())).length, 1);
});
