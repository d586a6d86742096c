/**
 * Enlarges pictures on the page: node enlarge.mjs JOBS OUTPUT
 *
 * JOBS is a JSON file, {"webgpu": bool, "jobs": [{"file", "scale" or "width", "weights", "fast"}, ...]}. The results
 * are saved in the folder OUTPUT as 0.png, 1.png, ... Prints {"problems": [...], "runs": what ran the network,
 * "seconds": [...]}.
 */

import fs from "node:fs/promises";
import path from "node:path";

import { add, choose, clear, enlarge, open, save, serve, states } from "./browser.mjs";

const [file, output] = process.argv.slice(2);
const { webgpu, jobs } = JSON.parse(await fs.readFile(file, "utf8"));
const server = await serve();
const { browser, page, problems } = await open(server.url, { webgpu });
const seconds = [];
try {
  for (const [i, job] of jobs.entries()) {
    await add(page, job.file);
    await choose(page, job);
    const start = performance.now();
    await enlarge(page);
    seconds.push((performance.now() - start) / 1000);
    const [[status, text]] = await states(page);
    if (status !== "done") problems.push(`${job.file}: ${text}`);
    else await fs.rename(await save(browser, page, output), path.join(output, `${i}.png`));
    await clear(page);
  }
  const runs = await page.$eval("#runs", (element) => element.textContent);
  console.log(JSON.stringify({ problems, runs, seconds }));
} finally {
  await browser.close();
  await server.stop();
}
