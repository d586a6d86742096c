"""A network as an ONNX graph, for any program that runs those; made with nothing but the `onnx` package.

Recursions are unrolled: every node that needs a kernel names the one array. ONNX keeps a convolution's kernel as
[O, I, h, w] and a transposed one's as that of the convolution whose transpose it is, so under the adjoint tying (the
default) one array could serve both. The upsampler has a copy all the same: OpenVINO (2026.4, on a CPU) lays an array
out for one of its uses, reads it so in the other, and gives a wrong picture without a word.
"""

import json
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from lapsrn_jax import __version__, models
from lapsrn_jax.models import LapSRN, Pyramid, SuperResolver
from lapsrn_jax.models.layers import Filter

OPSET, IR_VERSION = 17, 8  # of 2022, which hold all that the networks need


def onnx_model(model: SuperResolver, params: Any, scale: int, info: dict[str, Any]) -> bytes:
    """The ONNX file of a `Pyramid` or a `LapSRN`, float32 whatever `model.dtype`.

    Its input `image` is luminance [batch, 1, height, width] in [0, 1], of any size; its output `enlarged` is
    [batch, 1, s height, s width] with s = scale, not clipped. The metadata has `scale`, and as JSON the model's
    settings, `model`, and `info`, `weights`.
    """
    graph = _Graph()
    if isinstance(model, Pyramid):
        _pyramid(graph, model, params, scale)
    else:
        assert isinstance(model, LapSRN)
        _lapsrn(graph, model, params, scale)
    graph.nodes[-1].output[0] = "enlarged"

    small: list[str | int | None] = ["batch", 1, "height", "width"]
    large: list[str | int | None] = ["batch", 1, f"{scale} * height", f"{scale} * width"]
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"{models.settings(model)['name']}_x{scale}",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, small)],
            [helper.make_tensor_value_info("enlarged", TensorProto.FLOAT, large)],
            [numpy_helper.from_array(array, name) for name, array in graph.arrays.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="lapsrn_jax",
        producer_version=__version__,
        doc_string=f"Luminance (BT.601, in [0, 1]) enlarged by {scale}.",
    )
    metadata = {"scale": str(scale), "model": json.dumps(models.settings(model)), "weights": json.dumps(info)}
    helper.set_model_props(proto, metadata)
    checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


class _Graph:
    """Nodes in the order of the computation, and by name the arrays they use. Values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}

    def conv(self, x: str, name: str, parts: Filter) -> str:
        """`layers.conv` with the filter called `name`."""
        kernel = np.transpose(parts["kernel"], (3, 2, 0, 1))
        size = kernel.shape[2:]
        return self._filtered("Conv", x, name, parts, kernel, kernel_shape=size, pads=[size[0] // 2] * 4)

    def upsample(self, x: str, name: str, parts: Filter) -> str:
        """`layers.upsample` likewise: from 3x3 kernels' full results the last row and column are missing."""
        kernel = np.transpose(parts["kernel"], (2, 3, 0, 1))[:, :, ::-1, ::-1]  # lax does not turn it, ONNX does
        pads = [0, 0, 1, 1] if kernel.shape[2] == 3 else [1, 1, 1, 1]
        kind = "ConvTranspose"
        return self._filtered(kind, x, name, parts, kernel, kernel_shape=kernel.shape[2:], pads=pads, strides=[2, 2])

    def leaky_relu(self, x: str) -> str:
        """`layers.leaky_relu`."""
        return self._node("LeakyRelu", x, alpha=0.2)

    def add(self, x: str, y: str) -> str:
        """The sum of two values of one shape."""
        return self._node("Add", x, y)

    def _filtered(self, kind: str, x: str, name: str, parts: Filter, kernel: np.ndarray, **attributes: Any) -> str:
        inputs = [x, self._array(f"{name}/kernel", kernel)]
        if "bias" in parts:
            inputs.append(self._array(f"{name}/bias", np.asarray(parts["bias"])))
        return self._node(kind, *inputs, **attributes)

    def _array(self, name: str, array: np.ndarray) -> str:
        """Keeps the array under its name, which it returns."""
        self.arrays[name] = np.ascontiguousarray(array, np.float32)
        return name

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name


def _pyramid(graph: _Graph, model: Pyramid, params: Any, scale: int) -> None:
    block, upsample = params["block"], params.get("upsample", {})
    if model.tying is not None:
        block, upsample = model.tying.share(block, upsample)
    image, features = "image", graph.conv("image", "conv_in", params["conv_in"])
    for _ in range(scale.bit_length() - 1):
        source = features
        for _ in range(model.recursions):
            h = features
            for i in range(1, model.depth + 1):
                h = graph.conv(graph.leaky_relu(h), f"block/conv_{i}", block[f"conv_{i}"])
            features = h if model.skip == "none" else graph.add(h, source if model.skip == "source" else features)
        features = graph.upsample(graph.leaky_relu(features), "upsample", upsample)
        image = _larger(graph, image, features, "", params)


def _lapsrn(graph: _Graph, model: LapSRN, params: Any, scale: int) -> None:
    image, features = "image", graph.leaky_relu(graph.conv("image", "conv_in", params["conv_in"]))
    for name in [f"level_{i}" for i in range(1, scale.bit_length())]:
        for i in range(1, model.depth + 1):
            conv = f"conv_{i}"
            features = graph.leaky_relu(graph.conv(features, f"{name}/block/{conv}", params[name]["block"][conv]))
        features = graph.leaky_relu(graph.upsample(features, f"{name}/upsample", params[name]["upsample"]))
        image = _larger(graph, image, features, f"{name}/", params[name])


def _larger(graph: _Graph, image: str, features: str, prefix: str, params: Any) -> str:
    enlarged = graph.upsample(image, f"{prefix}image_upsample", params["image_upsample"])
    return graph.add(enlarged, graph.conv(features, f"{prefix}residual", params["residual"]))
