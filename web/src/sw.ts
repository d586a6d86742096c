/**
 * The service worker. It answers from the files that src/offline.ts keeps, so that the page works without a network, and
 * adds the headers that threads need where the server does not send them.
 */

interface FetchEvent extends Event {
  request: Request;
  respondWith(response: Promise<Response>): void;
}
interface Scope {
  registration: { scope: string };
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
  addEventListener(
    kind: string,
    listener: (event: FetchEvent & { waitUntil(done: Promise<void>): void }) => void,
  ): void;
}
const scope = self as unknown as Scope;
const FRESH: RequestInit = { cache: "no-cache", redirect: "manual" }; // the browser follows redirects itself

scope.addEventListener("install", () => void scope.skipWaiting());
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && new URL(event.request.url).origin === location.origin) {
    event.respondWith(answer(event.request));
  }
});

/**
 * Answers from the kept files, whose names contain their version. The page, and what src/offline.ts asks for without a
 * cache, come from the network first, so that a new version shows.
 */
async function answer(request: Request): Promise<Response> {
  const page = request.mode === "navigate";
  const current = (): Promise<Response> => (page ? fetch(request.url, FRESH) : fetch(request));
  const kept = (): Promise<Response | undefined> => caches.match(page ? scope.registration.scope : request);
  if (!page && request.cache === "default") return isolated((await kept()) ?? (await fetch(request)));
  try {
    return isolated(await current());
  } catch (error) {
    const found = await kept();
    if (!found) throw error;
    return isolated(found);
  }
}

function isolated(response: Response): Response {
  if (response.status === 0 || response.type === "opaqueredirect") return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

export {};
