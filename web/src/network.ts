/** The networks, in ONNX Runtime: on the GPU where the browser offers one, else in WebAssembly. */

import type { InferenceSession, TypedTensor } from "onnxruntime-web";

/** Their addresses. Those for WebAssembly have Winograd's convolutions, which take about half of the time there. */
const FILES = import.meta.glob<string>("../networks/x*_{webgpu,wasm}*.onnx", {
  query: "?url",
  import: "default",
  eager: true,
});

type Runtime = typeof import("onnxruntime-web");
export type Provider = "webgpu" | "wasm";

let runtime: Promise<{ ort: Runtime; provider: Provider }> | undefined;
const sessions = new Map<string, Promise<InferenceSession>>();

/** Enlarges luminance: `image` has height x width values, the result scale times as many on both sides. */
export type Enlarge = (image: Float32Array, width: number, height: number) => Promise<Float32Array>;

/** The network for one of the factors; `fast` runs half of its recursions. If the GPU fails, WebAssembly takes over. */
export function network(scale: number, fast: boolean): Enlarge {
  return async (image, width, height) => {
    try {
      return await run(scale, fast, image, width, height);
    } catch (error) {
      if ((await started()).provider === "wasm") throw error;
      runtime = start("wasm");
      sessions.clear();
      return run(scale, fast, image, width, height).catch(() => {
        throw error; // WebAssembly's files may be missing, without a network
      });
    }
  };
}

async function run(
  scale: number,
  fast: boolean,
  image: Float32Array,
  width: number,
  height: number,
): Promise<Float32Array> {
  const { ort, provider } = await started();
  const name = `../networks/x${scale}_${provider}${fast ? "_fast" : ""}.onnx`;
  if (!sessions.has(name)) {
    sessions.set(name, ort.InferenceSession.create(FILES[name], { executionProviders: [provider] }));
  }
  const session = await sessions.get(name)!;
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
