/** The built page in Chromium, as a person uses it. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import path from "node:path";
import puppeteer from "puppeteer-core";

const ROOT = path.resolve(import.meta.dirname, "../..");
const SECONDS = 1000;
const FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"];
const GPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]; // computes on the processor

/** The page as `make web` builds it. */
export const BUILT = path.join(ROOT, "lapsrn_jax/page");

/** Starts `lapsrn web`, or a plain web server for a folder, which sends no headers for threads. */
export async function serve({ folder } = {}) {
  const python = process.env.PYTHON ?? path.join(ROOT, ".venv/bin/python");
  const server = folder
    ? ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder]
    : ["-m", "lapsrn_jax.cli", "web", "--port", "0"];
  const command = spawn(python, server, { cwd: ROOT, stdio: ["ignore", "pipe", folder ? "ignore" : "inherit"] });
  const [line] = await once(command.stdout, "data");
  const [url] = /http:[^ )]+/.exec(line);
  const stop = async () => {
    if (command.exitCode !== null || command.signalCode !== null) return;
    command.kill("SIGINT");
    await once(command, "exit");
  };
  return { url, stop };
}

/**
 * Starts Chromium and opens the page.
 * `before` is code that runs in the page's workers before theirs.
 * `problems` collects errors of the console, exceptions that nothing caught, and requests to other hosts.
 */
export async function open(url, { webgpu = false, before, ...view } = {}) {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [...FLAGS, ...(webgpu ? GPU : [])],
    protocolTimeout: 600 * SECONDS,
  });
  const page = await browser.newPage();
  page.setDefaultTimeout(300 * SECONDS);
  const problems = [];
  const requests = [];
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && problems.push(`console: ${message.text()}`));
  const log = (request) => {
    requests.push(request.url());
    if (/^https?:/.test(request.url()) && !request.url().startsWith(url)) problems.push(`request: ${request.url()}`);
  };
  // Workers, and the service worker, are targets of their own.
  browser.on("targetcreated", async (target) => {
    const session = await target.createCDPSession().catch(() => null);
    session?.on("Network.requestWillBeSent", ({ request }) => log({ url: () => request.url }));
    await session?.send("Network.enable").catch(() => {});
  });
  page.on("request", log);
  await show(page, view);
  if (before) await page.evaluateOnNewDocument(changeWorkers, before);
  await page.goto(url);
  return { browser, page, problems, requests };
}

/** Runs on the page: its workers first run some code. */
function changeWorkers(before) {
  const changed = (address) => `
    const early = [];
    const keep = (event) => early.push(event);
    self.addEventListener("message", keep);
    ${before}
    await import(${JSON.stringify(String(address))});
    self.removeEventListener("message", keep);
    for (const event of early) self.onmessage(event);`;
  globalThis.Worker = class extends Worker {
    constructor(address, options) {
      super(URL.createObjectURL(new Blob([changed(address)], { type: "text/javascript" })), options);
    }
  };
}

/** Sets the window's size and the colour scheme. */
export async function show(page, { width = 1280, height = 800, scheme = "light", scale = 1 } = {}) {
  await page.setViewport({ width, height, deviceScaleFactor: scale });
  await page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: scheme },
    { name: "prefers-reduced-motion", value: "reduce" }, // colours change at once
  ]);
}

/** Adds files, paths, to the list. */
export async function add(page, ...files) {
  const before = await page.$$eval("#list li", (lines) => lines.length);
  await (await page.$("#files")).uploadFile(...files);
  await page.waitForFunction(
    (count) => document.querySelectorAll("#list li").length === count,
    {},
    before + files.length,
  );
}

/** Chooses a scale (2, 4, 8) or a width in pixels, the network and its weights. */
export async function choose(page, { scale, width, weights = "auto", fast = false }) {
  await page.click(`label:has([name=size][value="${width ? "width" : scale}"])`);
  if (width) {
    await page.$eval("#width", (input) => (input.value = ""));
    await page.type("#width", String(width));
  }
  await page.click(`label:has([name=network][value="${fast ? "fast" : "full"}"])`);
  await page.select("#weights", weights);
}

/** Presses "Enlarge", and waits until nothing is in work. */
export async function enlarge(page) {
  await page.waitForSelector("#enlarge:not(:disabled)");
  await page.click("#enlarge");
  await page.waitForFunction(() => !document.querySelector('#list li[data-status="working"]'));
}

/** Takes the pictures out of the list. */
export async function clear(page) {
  for (const button of await page.$$("#list .remove")) await button.click();
}

/** Saves results through one of the buttons. Returns the file's path. */
export async function save(browser, page, folder, { format = "png", all = false } = {}) {
  const session = await browser.target().createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder, eventsEnabled: true });
  let name = "";
  session.on("Browser.downloadWillBegin", (event) => (name = event.suggestedFilename));
  const done = new Promise((resolve) => {
    session.on("Browser.downloadProgress", ({ state }) => state === "completed" && resolve());
  });
  await page.select("#format", format);
  await page.click(all ? "#download-all" : "#download-one");
  await done;
  await session.detach();
  await fs.access(path.join(folder, name));
  return path.join(folder, name);
}

/** The state of each picture in the list: [status, text]. */
export const states = (page) =>
  page.$$eval("#list li", (lines) =>
    lines.map((line) => [line.dataset.status, line.querySelector(".state").textContent]),
  );
