import { defaultClientConditions, defineConfig, type Plugin } from "vite";

/** What threads need from a server; the service worker adds it where the server does not (src/sw.ts). */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Writes `files.json`: the page's files, which src/offline.ts keeps for work without a network. */
const fileList: Plugin = {
  name: "file-list",
  generateBundle(_, bundle) {
    const files = Object.keys(bundle)
      .filter((name) => name !== "sw.js")
      .sort();
    this.emitFile({ type: "asset", fileName: "files.json", source: JSON.stringify(files) });
  },
};

export default defineConfig({
  base: "./",
  server: { headers },
  // ONNX Runtime without its WebAssembly inside, which src/network.ts gives it as files.
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
  assetsInclude: ["**/*.onnx"],
  worker: { format: "es" },
  plugins: [fileList],
  build: {
    outDir: "../lapsrn_jax/page", // package data: `lapsrn web` serves it
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      input: { index: "index.html", sw: "src/sw.ts" },
      output: { entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
});
