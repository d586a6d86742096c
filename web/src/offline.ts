/** Keeps the page's files in the browser for work without a network. src/sw.ts answers from them. */

const RELOADED = "lapsrn-reloaded";
const FRESH: RequestInit = { cache: "no-cache" }; // from the network, if there is one

/**
 * Registers the service worker and keeps the files. Says so when all are there.
 *
 * Where the server does not send the headers that threads need, the page loads once more, through the service worker,
 * unless it is in use by then.
 */
export async function keepOffline(say: (text: string) => void, inUse: () => boolean): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("./sw.js");
    await navigator.serviceWorker.ready;
    if (!crossOriginIsolated && !inUse() && !sessionStorage.getItem(RELOADED)) {
      sessionStorage.setItem(RELOADED, "yes");
      location.reload();
      return;
    }
    await keepFiles();
    say("Works offline");
  } catch {
    say(""); // no network now, or a private window: the page works as long as it is open
  }
}

async function keepFiles(): Promise<void> {
  const list = await fetch("./files.json", FRESH);
  const text = await list.clone().text();
  const files = JSON.parse(text) as string[];
  const place = `lapsrn ${new URL("./", location.href).pathname} `; // other places of the server have other versions
  const name = place + (await digest(text));
  const cache = await caches.open(name);
  // Either the files of WebGPU or those of WebAssembly are used here.
  const hasGpu =
    "gpu" in navigator && (await (navigator.gpu as { requestAdapter(): Promise<unknown> }).requestAdapter());
  const unused = hasGpu ? /ort-wasm-simd-threaded-|_wasm/ : /asyncify|_webgpu/;
  for (const file of files.filter((file) => !unused.test(file))) {
    if (!(await cache.match(file))) await cache.add(file);
  }
  await cache.add(new Request("./", FRESH));
  await cache.put("./files.json", list);
  for (const other of await caches.keys()) {
    if (other.startsWith(place) && other !== name) await caches.delete(other);
  }
}

async function digest(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...hash.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
