"""A network as an ONNX graph, for any program that runs those. It needs only the `onnx` package.

Recursions are unrolled: every node that needs a kernel names the same array. ONNX keeps a transposed convolution's
kernel as that of the convolution it transposes, so under the adjoint tying (the default) one array could serve both.
The upsampler has a copy all the same: OpenVINO (2026.4, on a CPU) lays an array out for one of its uses, reads it in
that layout in the other, and gives a wrong picture without an error.
"""

import json
from typing import Any

from onnx import TensorProto, checker, helper, numpy_helper

from lapsrn_jax import __version__, models
from lapsrn_jax.export.onnx_graph import Graph
from lapsrn_jax.export.onnx_winograd import WinogradGraph
from lapsrn_jax.models import LapSRN, Pyramid, SuperResolver

OPSET, IR_VERSION = 17, 8  # from 2022; they cover all that the networks need


def onnx_model(model: SuperResolver, params: Any, scale: int, info: dict[str, Any], *, winograd: bool = False) -> bytes:
    """The ONNX file of a `Pyramid` or a `LapSRN`, float32 regardless of `model.dtype`.

    Its input `image` is luminance [batch, 1, height, width] in [0, 1], of any size; its output `enlarged` is
    [batch, 1, s height, s width] with s = scale, not clipped. The metadata has `scale`, and as JSON the model's
    settings, `model`, and `info`, `weights`. With `winograd`, convolutions between features are written as Winograd's.
    """
    graph = WinogradGraph() if winograd else Graph()
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


def _pyramid(graph: Graph, model: Pyramid, params: Any, scale: int) -> None:
    block, upsample = params["block"], params.get("upsample", {})
    if model.tying is not None:
        block, upsample = model.tying.share(block, upsample)
    image, features = "image", graph.conv("image", "conv_in", params["conv_in"])
    for level in range(1, scale.bit_length()):
        source = features
        for _ in range(model.recursions):
            h = features
            for i in range(1, model.depth + 1):
                h = graph.conv(graph.leaky_relu(h), f"block/conv_{i}", block[f"conv_{i}"])
            features = h if model.skip == "none" else graph.add(h, source if model.skip == "source" else features)
        activated = graph.leaky_relu(features)
        if 2**level < scale:  # else nothing reads them
            features = graph.upsample(activated, "upsample", upsample)
        enlarged = graph.upsample(image, "image_upsample", params["image_upsample"])
        image = graph.add(enlarged, graph.residual(activated, "composed", upsample, params["residual"]))


def _lapsrn(graph: Graph, model: LapSRN, params: Any, scale: int) -> None:
    image, features = "image", graph.leaky_relu(graph.conv("image", "conv_in", params["conv_in"]))
    for name in [f"level_{i}" for i in range(1, scale.bit_length())]:
        for i in range(1, model.depth + 1):
            conv = f"conv_{i}"
            features = graph.leaky_relu(graph.conv(features, f"{name}/block/{conv}", params[name]["block"][conv]))
        features = graph.leaky_relu(graph.upsample(features, f"{name}/upsample", params[name]["upsample"]))
        enlarged = graph.upsample(image, f"{name}/image_upsample", params[name]["image_upsample"])
        image = graph.add(enlarged, graph.conv(features, f"{name}/residual", params[name]["residual"]))
