/** The networks, in ONNX Runtime: on the GPU where the browser offers one, else in WebAssembly. */

import type { InferenceSession, TypedTensor } from "onnxruntime-web";

/** The name of weights in the package. */
export type Weights = "cms-lapsrn" | "cms-lapsrn-photo";

/** Their addresses. Those for WebAssembly have Winograd's convolutions, which take about half of the time there. */
const FILES = import.meta.glob<string>("../networks/x*_{webgpu,wasm}*.onnx", {
  query: "?url",
  import: "default",
  eager: true,
});

type Runtime = typeof import("onnxruntime-web");
export type Provider = "webgpu" | "wasm";

let runtime: Promise<{ ort: Runtime; provider: Provider }> | undefined;
/** The network in memory. There is only one, because each keeps the memory of its largest tile. */
let loaded: { name: string; session: Promise<InferenceSession> } | null = null;

/** Enlarges luminance: `image` has height x width values, the result scale times as many on both sides. */
export type Enlarge = (image: Float32Array, width: number, height: number) => Promise<Float32Array>;

/** The network for one of the factors; `fast` runs half of its recursions. If the GPU fails, WebAssembly takes over. */
export function network(scale: number, weights: Weights, fast: boolean): Enlarge {
  const end = `${weights === "cms-lapsrn-photo" ? "_photo" : ""}${fast ? "_fast" : ""}`;
  const run = (...tile: Parameters<Enlarge>): Promise<Float32Array> => runNetwork(scale, end, ...tile);
  return async (...tile) => {
    try {
      return await run(...tile);
    } catch (error) {
      if ((await started()).provider === "wasm") throw error;
      runtime = start("wasm");
      loaded = null;
      return run(...tile).catch(() => {
        throw error; // WebAssembly's files may be missing, without a network
      });
    }
  };
}

async function runNetwork(
  scale: number,
  end: string,
  image: Float32Array,
  width: number,
  height: number,
): Promise<Float32Array> {
  const { ort, provider } = await started();
  const name = `../networks/x${scale}_${provider}${end}.onnx`;
  if (loaded?.name !== name) {
    await (await loaded?.session)?.release();
    loaded = { name, session: ort.InferenceSession.create(FILES[name], { executionProviders: [provider] }) };
  }
  const session = await loaded.session;
  const result = await session.run({ image: new ort.Tensor("float32", image, [1, 1, height, width]) });
  const enlarged = result.enlarged as TypedTensor<"float32">;
  const data = (await enlarged.getData()) as Float32Array;
  enlarged.dispose();
  return data;
}

/** What runs the networks, such as "WebAssembly, 4 threads". */
export async function description(): Promise<string> {
  const { ort, provider } = await started();
  if (provider === "webgpu") return "WebGPU";
  const threads = ort.env.wasm.numThreads;
  return `WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

async function started(): Promise<{ ort: Runtime; provider: Provider }> {
  runtime ??= bestProvider().then(start);
  return runtime;
}

async function bestProvider(): Promise<Provider> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  return (await gpu?.requestAdapter().catch(() => null)) ? "webgpu" : "wasm";
}

async function start(provider: Provider): Promise<{ ort: Runtime; provider: Provider }> {
  const [ort, mjs, wasm] =
    provider === "webgpu"
      ? await Promise.all([
          import("onnxruntime-web/webgpu"),
          import("onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url"),
          import("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url"),
        ])
      : await Promise.all([
          import("onnxruntime-web/wasm"),
          import("onnxruntime-web/ort-wasm-simd-threaded.mjs?url"),
          import("onnxruntime-web/ort-wasm-simd-threaded.wasm?url"),
        ]);
  ort.env.wasm.wasmPaths = {
    mjs: new URL(mjs.default, self.location.href),
    wasm: new URL(wasm.default, self.location.href),
  };
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 16) : 1;
  ort.env.logLevel = "error";
  return { ort: ort as Runtime, provider };
}
