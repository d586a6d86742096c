"""Enlarges pictures with another program. benchmarks/upscale.py starts this file with the arguments NAME FOLDER.

It does not use JAX. The folder holds `model.onnx`, `parameters.npz` (with `settings`, a string of JSON) for PyTorch,
and for each size a picture `SIZE.npy`, float32 [H, W]. The program prints one line of JSON about itself. Then, for each
line with a size, it enlarges that picture to `NAME.npy` and answers {"seconds": ...} or {"error": ...}. The first
picture of each size is preceded by a warm-up, which does not count.
"""

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

THREADS = len(os.sched_getaffinity(0))
Run = Callable[[np.ndarray], np.ndarray]  # [1, 1, H, W] to [1, 1, s H, s W]


def onnx_runtime(folder: pathlib.Path) -> tuple[str, Callable[[int], Run]]:
    """Returns the version of ONNX Runtime, and a function that prepares it for pictures of a size."""
    import onnxruntime

    def ready(size: int) -> Run:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        for name, value in (("batch", 1), ("height", size), ("width", size)):
            options.add_free_dimension_override_by_name(name, value)
        session = onnxruntime.InferenceSession(folder / "model.onnx", options, ["CPUExecutionProvider"])
        return lambda image: session.run(None, {"image": image})[0]

    return onnxruntime.__version__, ready


def openvino(folder: pathlib.Path) -> tuple[str, Callable[[int], Run]]:
    """As `onnx_runtime`, in float32: OpenVINO uses bfloat16 by default on processors that support it."""
    import openvino

    def ready(size: int) -> Run:
        core = openvino.Core()
        model = core.read_model(folder / "model.onnx")
        model.reshape([1, 1, size, size])
        exact = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": THREADS}
        compiled = core.compile_model(model, "CPU", exact)
        return lambda image: compiled(image)[0].copy()

    return openvino.__version__, ready


def opencv(folder: pathlib.Path) -> tuple[str, Callable[[int], Run]]:
    """As `onnx_runtime`."""
    import cv2

    cv2.setNumThreads(THREADS)

    def ready(size: int) -> Run:
        network = cv2.dnn.readNetFromONNX(str(folder / "model.onnx"))

        def run(image: np.ndarray) -> np.ndarray:
            network.setInput(image)
            return network.forward()

        return run

    return cv2.__version__, ready


def torch_eager(folder: pathlib.Path, compiled: bool = False) -> tuple[str, Callable[[int], Run]]:
    """As `onnx_runtime`, with the network of torch_peer.py, which must be a recursive pyramid."""
    import torch
    from torch_peer import Network

    torch.set_num_threads(THREADS)
    file = np.load(folder / "parameters.npz")
    settings = json.loads(str(file["settings"]))
    arrays = {name: file[name] for name in file.files if "/" in name}
    network = Network(arrays, settings["recursions"], settings["depth"], torch.float32)
    network = network.eval().to(memory_format=torch.channels_last)

    def ready(size: int) -> Run:
        forward: Any = network
        if compiled:
            torch._dynamo.reset()
            torch._inductor.config.freezing = True  # weights laid out once, as the others do
            forward = torch.compile(network, dynamic=False)

        @torch.inference_mode()
        def run(image: np.ndarray) -> np.ndarray:
            x = torch.from_numpy(image).to(memory_format=torch.channels_last)
            return forward(x, settings["levels"])[-1].numpy()

        return run

    return torch.__version__, ready


def torch_compiled(folder: pathlib.Path) -> tuple[str, Callable[[int], Run]]:
    """As `torch_eager`, compiled."""
    return torch_eager(folder, compiled=True)


PROGRAMS = {
    "PyTorch": torch_eager,
    "PyTorch, compiled": torch_compiled,
    "ONNX Runtime": onnx_runtime,
    "OpenVINO": openvino,
    "OpenCV": opencv,
}


def main() -> None:
    """Answers until the input ends."""
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    try:
        version, ready = PROGRAMS[name](folder)
    except Exception as error:  # most likely it is not installed
        return say({"error": f"{type(error).__name__}: {error}"})
    say({"version": version, "threads": THREADS})
    runs: dict[int, Run] = {}
    for line in sys.stdin:
        size = int(line)
        image = np.load(folder / f"{size}.npy")[None, None]
        try:
            if size not in runs:
                runs = {size: ready(size)}
                runs[size](image)
            start = time.perf_counter()
            enlarged = runs[size](image)
            seconds = time.perf_counter() - start
            np.save(folder / f"{name}.npy", enlarged[0, 0])
            say({"seconds": seconds})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"})
    return None


def say(answer: dict[str, Any]) -> None:
    """Prints one line of JSON for the parent process."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
