/** What a person can rely on, with the page as `make web` builds it. LAPSRN_PICTURES names a folder of pictures. */

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import fs from "node:fs/promises";
import path from "node:path";

import { add, choose, clear, enlarge, open, save, serve, show, states } from "./browser.mjs";

const PICTURES = process.env.LAPSRN_PICTURES;
const picture = (name) => path.join(PICTURES, name);
const axe = await fs.readFile(path.join(import.meta.dirname, "../node_modules/axe-core/axe.min.js"), "utf8");

let server, browser, page, problems, requests;

before(async () => {
  server = await serve();
  ({ browser, page, problems, requests } = await open(server.url));
});
after(async () => {
  await browser.close();
  await server.stop();
});
beforeEach(async () => {
  await clear(page);
  problems.length = 0;
});

const eventually = (condition, ...values) => page.waitForFunction(condition, {}, ...values);

test("each bad file gets a message of its own, and the next picture works", async () => {
  const bad = (await fs.readdir(picture("bad"))).sort();
  assert.ok(bad.length >= 20);
  await add(page, ...bad.map((name) => picture(`bad/${name}`)));
  await eventually(() => !document.querySelector('#list li[data-status="waiting"]'));
  const expected = JSON.parse(await fs.readFile(picture("bad.json"), "utf8"));
  const found = await states(page);
  for (const [i, name] of bad.entries()) {
    assert.equal(found[i][0], "failed", name);
    assert.match(found[i][1], new RegExp(expected[name]), name);
  }
  await add(page, picture("small.png"));
  await enlarge(page);
  assert.deepEqual((await states(page)).at(-1), ["done", "48 × 40"]);
  assert.deepEqual(problems, []);
});

test("a result that is too large is refused, and a smaller one works", async () => {
  await add(page, picture("wide.png"));
  await choose(page, { scale: 8 });
  await enlarge(page);
  assert.match((await states(page))[0][1], /The result has 96,000 × 16 pixels/);
  await choose(page, { width: 12004 });
  await enlarge(page);
  assert.deepEqual(await states(page), [["done", "12004 × 3"]]);
  assert.deepEqual(problems, []);
});

test("work that is cancelled stops at once, and can start again", async () => {
  await add(page, picture("large.png"), picture("small.png"));
  await choose(page, { scale: 2 });
  await page.waitForSelector("#enlarge:not(:disabled)");
  await page.click("#enlarge");
  await eventually(() => document.querySelector("#work-title").textContent.includes("large.png"));
  await page.click("#cancel");
  await eventually(() => document.querySelector('#list li:last-child[data-status="done"]'));
  assert.deepEqual(
    (await states(page)).map(([status]) => status),
    ["cancelled", "done"],
  );
  assert.deepEqual(problems, []);
});

test("the page answers while it works", async () => {
  await add(page, picture("large.png"));
  await choose(page, { scale: 2 });
  await page.tracing.start({ categories: ["toplevel"] });
  await enlarge(page);
  const { traceEvents } = JSON.parse(new TextDecoder().decode(await page.tracing.stop()));
  assert.equal((await states(page))[0][0], "done");
  const mains = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const isMain = (event) => mains.some(({ pid, tid }) => pid === event.pid && tid === event.tid);
  // Processor time of the page's tasks: what they take on a machine that does nothing else.
  const tasks = traceEvents.filter((event) => event.tdur && isMain(event));
  const longest = Math.max(...tasks.map(({ tdur }) => tdur / 1000));
  assert.ok(tasks.length > 100, `only ${tasks.length} tasks`);
  assert.ok(longest < 100, `a task took ${longest} ms`);
});

test("a result looks the same after another was shown", async () => {
  await add(page, picture("large.png"), picture("small.png"));
  await choose(page, { scale: 2 });
  await enlarge(page);
  const seen = async (line, size) => {
    await page.click(`#list li:nth-child(${line}) .line`);
    await eventually((size) => document.querySelector("#canvas").ariaLabel.includes(size), size);
    await eventually(() => document.querySelector("#viewport.comparing"));
    let [image, before] = ["", null];
    while (image !== before) {
      before = image;
      await new Promise((resolve) => setTimeout(resolve, 600));
      image = await page.$eval("#canvas", (canvas) => canvas.toDataURL());
    }
    return image;
  };
  const small = await seen(2, "48 × 40");
  const large = await seen(1, "1024 × 1024");
  assert.notEqual(small, large);
  assert.equal(await seen(2, "48 × 40"), small);
  assert.equal(await seen(1, "1024 × 1024"), large);
  assert.deepEqual(problems, []);
});

test("a field that is hidden holds nothing up, and one that is shown says what it takes", async () => {
  await add(page, picture("small.png"));
  await choose(page, { width: 1 });
  await eventually(() => document.querySelector("#enlarge").disabled);
  assert.match(await page.$eval("#result-size", (element) => element.textContent), /from 2 to 65,535/);
  await choose(page, { scale: 2 });
  await enlarge(page);
  assert.deepEqual(await states(page), [["done", "48 × 40"]]);
});

test("the page says which weights a result has, and others can be chosen", async () => {
  await add(page, picture("small.png"), picture("small.jpg"));
  await choose(page, { scale: 2 });
  await enlarge(page);
  const used = async (line) => {
    await page.click(`#list li:nth-child(${line}) .line`);
    return page.$eval("#used", (element) => element.textContent);
  };
  assert.match(await used(1), /\(cms-lapsrn\)/);
  assert.match(await used(2), /\(cms-lapsrn-photo\)/);
  assert.ok(await page.$eval("#enlarge", (button) => button.disabled));
  await choose(page, { scale: 2, weights: "cms-lapsrn" });
  await enlarge(page);
  assert.match(await used(2), /\(cms-lapsrn\)/);
  assert.deepEqual(problems, []);
  await choose(page, { scale: 2 });
});

test("a cancelled picture waits until it is chosen", async () => {
  await add(page, picture("large.png"), picture("small.png"));
  await choose(page, { scale: 2 });
  await page.waitForSelector("#enlarge:not(:disabled)");
  await page.click("#enlarge");
  await page.click("#cancel");
  await eventually(() => document.querySelector('#list li:last-child[data-status="done"]'));
  await page.click("#list li:last-child .line");
  await choose(page, { scale: 4 });
  await enlarge(page);
  assert.deepEqual(
    (await states(page)).map(([status]) => status),
    ["cancelled", "done"],
  );
  await page.click("#list li:last-child .remove");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "large.pngcancelled");
  await clear(page);

  await add(page, picture("large.png"));
  await choose(page, { scale: 2 });
  await page.waitForSelector("#enlarge:not(:disabled)");
  await page.click("#enlarge");
  await page.focus("#cancel");
  await eventually(() => document.querySelector('#list li[data-status="done"]'));
  assert.equal(await page.evaluate(() => document.activeElement.className), "line");
});

test("several results come as one zip, one as a file, in each format", async () => {
  const folder = await fs.mkdtemp(path.join(PICTURES, "saved-"));
  await add(page, picture("small.png"), picture("copy/Small.png"));
  await choose(page, { scale: 2 });
  await enlarge(page);
  const zip = await fs.readFile(await save(browser, page, folder, { all: true }));
  assert.equal(zip.subarray(0, 2).toString(), "PK");
  assert.ok(zip.includes("small_48x40.png") && zip.includes("Small_48x40 (2).png")); // not all disks tell s from S
  const webp = await fs.readFile(await save(browser, page, folder, { format: "webp" }));
  assert.equal(webp.subarray(8, 12).toString(), "WEBP");
  const jpeg = await save(browser, page, folder, { format: "jpeg" });
  assert.equal(path.basename(jpeg), "small_48x40.jpg");
  assert.equal((await fs.readFile(jpeg)).readUInt16BE(), 0xffd8);
  await page.select("#format", "png");
  assert.deepEqual(problems, []);
});

test("keys zoom, pan and move the border", async () => {
  await add(page, picture("small.png"));
  await enlarge(page);
  await page.focus("#canvas");
  const zoom = () => page.$eval("#zoom", (output) => output.value);
  await page.keyboard.press("1");
  await eventually(() => document.querySelector("#zoom").value === "100 %");
  await page.keyboard.press("+");
  await eventually(() => document.querySelector("#zoom").value === "125 %");
  await page.keyboard.press("0");
  await eventually(() => document.querySelector("#zoom").value === "800 %");
  assert.equal(await zoom(), "800 %");
  await page.focus("#split");
  await page.keyboard.press("ArrowRight");
  await eventually(() => getComputedStyle(document.querySelector("#viewport")).getPropertyValue("--split") === "51%");
});

test("axe finds nothing in any state", async () => {
  const violations = async (state) => {
    for (const scheme of ["light", "dark"]) {
      await show(page, { scheme });
      await page.evaluate(axe);
      const found = await page.evaluate(async () => (await globalThis.axe.run()).violations);
      assert.deepEqual(
        found.map(({ id, nodes }) => [state, scheme, id, nodes.map(({ html }) => html)]),
        [],
      );
    }
  };
  await violations("empty");
  await add(page, picture("small.png"), picture("large.png"), picture("bad/empty.png"));
  await violations("waiting");
  await page.waitForSelector("#enlarge:not(:disabled)");
  await page.click("#enlarge");
  await eventually(() => document.querySelector('#list [data-status="done"]'));
  await page.select("#format", "webp");
  await violations("working");
  await page.click("#list li:last-child .line");
  await violations("failed");
  await page.click("#cancel");
  await page.select("#format", "png");
});

test("it works after the server has stopped, and asked no other host", async () => {
  await eventually(() => document.querySelector("#offline").textContent === "Works offline");
  await server.stop();
  await page.reload();
  await eventually(() => document.querySelector("#offline").textContent === "Works offline");
  problems.length = 0; // the requests for the list of files and for the page have no answers
  await add(page, picture("small.png"));
  for (const scale of [2, 4]) {
    await choose(page, { scale });
    await enlarge(page);
  }
  assert.deepEqual(await states(page), [["done", "96 × 80"]]);
  assert.match(await page.$eval("#runs", (element) => element.textContent), /WebAssembly/);
  const others = requests.filter((url) => !url.startsWith(server.url) && !/^(blob|data):/.test(url));
  assert.deepEqual(others, []);
  assert.ok(requests.some((url) => url.endsWith(".wasm")) && requests.some((url) => url.endsWith(".onnx")));
});
