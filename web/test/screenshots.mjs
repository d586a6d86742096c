/**
 * Takes pictures of the page's states: node screenshots.mjs OUTPUT GOOD_PICTURE LARGE_PICTURE BAD_FILE
 *
 * They are to be looked at; nothing compares them.
 */

import fs from "node:fs/promises";
import path from "node:path";

import { add, choose, clear, enlarge, open, serve, show } from "./browser.mjs";

const [output, good, large, bad] = process.argv.slice(2);
const SIZES = {
  phone: { width: 390, height: 844, scale: 2 },
  laptop: { width: 1280, height: 800 },
  wide: { width: 1920, height: 1080 },
};

await fs.mkdir(output, { recursive: true });
const server = await serve();
const { browser, page } = await open(server.url);

async function shoot(state, sizes = Object.keys(SIZES)) {
  for (const name of sizes) {
    for (const scheme of ["light", "dark"]) {
      await show(page, { ...SIZES[name], scheme });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await page.screenshot({ path: path.join(output, `${state}_${name}_${scheme}.png`), fullPage: name === "phone" });
    }
  }
}

try {
  await shoot("empty");
  await show(page, SIZES.laptop);
  await add(page, good, bad);
  await choose(page, { scale: 4 });
  await enlarge(page);
  await shoot("done");
  await show(page, SIZES.laptop);
  await page.click("#list li:last-child .line");
  await shoot("failed");
  await show(page, SIZES.laptop);
  await clear(page);
  await add(page, large, good);
  await page.waitForSelector("#enlarge:not(:disabled)");
  await page.click("#enlarge");
  await page.waitForFunction(() => document.querySelector("#progress").value > 0.3);
  await shoot("working");
} finally {
  await browser.close();
  await server.stop();
}
