"""The training step in PyTorch. benchmarks/train_step.py starts this file with another interpreter.

It needs only PyTorch and NumPy. The first argument is an .npz file with the parameters (names such as
`block/conv_1/kernel`), the images `image_0` (LR), `image_1`, ... (NHWC) and `settings`, a string of JSON. The program
prints one line of JSON about itself. Then, for each line with the name of a variant, it takes one step and answers
{"loss": ..., "seconds": ...} or {"error": ...}.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

EPSILON = 1e-3


class Network(torch.nn.Module):
    """MS-LapSRN, or CMS-LapSRN with the third convolution's adjoint if there is no `upsample/kernel`.

    Kernels [h, w, I, O] become PyTorch's [O, I, h, w]. Kernels of transposed convolutions become [I, O, h, w] rotated
    by 180 degrees, because PyTorch flips them and lax does not.
    """

    def __init__(self, arrays: dict[str, np.ndarray], recursions: int, depth: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.recursions, self.depth, self.dtype = recursions, depth, dtype
        for name, array in arrays.items():
            if array.ndim == 4:
                transposed = "upsample" in name
                array = array[::-1, ::-1].transpose(2, 3, 0, 1) if transposed else array.transpose(3, 2, 0, 1)
            self.register_parameter(_attribute(name), torch.nn.Parameter(torch.from_numpy(array.copy())))

    def forward(self, image: torch.Tensor, levels: int) -> list[torch.Tensor]:
        """Maps an image [N, 1, H, W] to the images of all levels."""
        weights = {name: weight.to(self.dtype) for name, weight in self.named_parameters()}
        upsample = weights.get(_attribute("upsample/kernel"), weights[_attribute("block/conv_3/kernel")])

        def conv(x: torch.Tensor, name: str) -> torch.Tensor:
            kernel, bias = (weights.get(_attribute(f"{name}/{part}")) for part in ("kernel", "bias"))
            return F.conv2d(x, kernel, bias, padding=1)

        features = conv(image.to(self.dtype), "conv_in")
        images = []
        for _ in range(levels):
            source = features
            for _ in range(self.recursions):
                for i in range(1, self.depth + 1):
                    features = conv(F.leaky_relu(features, 0.2), f"block/conv_{i}")
                features = features + source
            bias = weights.get(_attribute("upsample/bias"))
            features = F.conv_transpose2d(F.leaky_relu(features, 0.2), upsample, bias, stride=2)[:, :, :-1, :-1]
            residual = conv(features, "residual")
            larger = getattr(self, _attribute("image_upsample/kernel"))
            image = F.conv_transpose2d(image, larger, stride=2, padding=1) + residual
            images.append(image)
        return images


def _attribute(name: str) -> str:
    return name.replace("/", "_")


class Step:
    """A training step with its state: loss, clipped gradient, AdamW, moving average."""

    def __init__(self, file: Any, settings: dict[str, Any], device: torch.device, compiled: bool) -> None:
        dtype = getattr(torch, settings["dtype"])
        arrays = {name: file[name] for name in file.files if "/" in name}
        network = Network(arrays, settings["recursions"], settings["depth"], dtype)
        self._network = network.to(device).to(memory_format=torch.channels_last)
        self._images = [self._image(file[f"image_{i}"], device) for i in range(settings["levels"] + 1)]
        self._parameters = list(self._network.parameters())
        self._ema = [p.detach().clone() for p in self._parameters]
        self._optimizer = torch.optim.AdamW(
            self._parameters, settings["learning_rate"], weight_decay=settings["weight_decay"], fused=True
        )
        self._clip_norm, self._decay = settings["clip_norm"], settings["ema_decay"]
        self._loss: Callable[[], torch.Tensor] = torch.compile(self._eager_loss) if compiled else self._eager_loss

    @staticmethod
    def _image(array: np.ndarray, device: torch.device) -> torch.Tensor:
        image = torch.from_numpy(array.transpose(0, 3, 1, 2).copy())
        return image.to(device, memory_format=torch.channels_last)

    def _eager_loss(self) -> torch.Tensor:
        lr, *targets = self._images
        images = self._network(lr, len(targets))
        losses = [((sr - hr).square() + EPSILON**2).sqrt().mean() for sr, hr in zip(images, targets, strict=True)]
        return torch.stack(losses).sum()

    def __call__(self) -> float:
        """Takes one step; returns the loss before it."""
        self._optimizer.zero_grad()
        loss = self._loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        self._optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self._ema, self._parameters, 1 - self._decay)
        return loss.item()  # waits for the device


def main() -> None:
    """Answers until the input ends."""
    file = np.load(sys.argv[1])
    settings = json.loads(str(file["settings"]))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True  # as JAX does by default
    torch.backends.cudnn.benchmark = True
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    variants = ["eager", "compiled"] if device.type == "cuda" else ["eager"]
    say({"torch": torch.__version__, "device": name, "variants": variants})
    steps: dict[str, Step] = {}
    for line in sys.stdin:
        variant = line.strip()
        try:
            if variant not in steps:
                steps[variant] = Step(file, settings, device, variant == "compiled")
            if device.type == "cuda":
                torch.cuda.synchronize()
            start = time.perf_counter()
            loss = steps[variant]()
            if device.type == "cuda":
                torch.cuda.synchronize()
            say({"loss": loss, "seconds": time.perf_counter() - start})
        except Exception as error:  # no C++ compiler, no memory: the other variant may still run
            steps.pop(variant, None)
            say({"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"})


def say(answer: dict[str, Any]) -> None:
    """Prints one line of JSON for the parent process."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
