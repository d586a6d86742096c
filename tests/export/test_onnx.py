"""The graphs compute the same as the models, in ONNX Runtime."""

import json

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from lapsrn_jax import __version__, models
from lapsrn_jax.models import LapSRN, Pyramid, Tying

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
SIZES = [(1, 1, 1), (2, 9, 6)]
SMALL = {"features": 6, "depth": 2, "recursions": 2}


def parameters(model, rng):
    """Returns random parameters, also for biases, that preserve the scale of the signal."""
    start = models.initial(model, jax.random.key(0))

    def some(array):
        stddev = (1 / np.prod(array.shape[:3])) ** 0.5 if array.ndim == 4 else 0.1
        return (stddev * rng.standard_normal(array.shape)).astype(np.float32)

    return jax.tree.map(some, start)


def written(model, params, scale, **options):
    from lapsrn_jax.export.onnx import onnx_model

    content = onnx_model(model, params, scale, {"step": 7}, **options)
    return onnx.load_from_string(content), runtime.InferenceSession(content, providers=["CPUExecutionProvider"])


def check_outputs(model, params, scale, session, rng, sizes=SIZES):
    apply = jax.jit(lambda image: model.apply({"params": params}, image, scale)[-1])
    for n, height, width in sizes:
        image = rng.random((n, height, width, 1), np.float32)
        (enlarged,) = session.run(None, {"image": image.transpose(0, 3, 1, 2)})
        expected = np.asarray(apply(image))
        assert np.ptp(expected) > 0.1 or expected.size <= 64
        np.testing.assert_allclose(enlarged, expected.transpose(0, 3, 1, 2), atol=1e-5, rtol=1e-5)


MODELS = {
    "cms": Pyramid(**SMALL, tying=Tying(layer=2)),
    "cms with biases": Pyramid(**SMALL, tying=Tying(layer=1), use_bias=True),
    "its bias tied": Pyramid(**SMALL, tying=Tying(layer=2, bias="tied"), use_bias=True, skip="block"),
    "ms": Pyramid(**SMALL),
    "no skips": Pyramid(**SMALL, use_bias=True, skip="none"),
    "lapsrn": LapSRN(levels=3, features=6, depth=2),
    "lapsrn with biases": LapSRN(levels=2, features=6, depth=2, use_bias=True),
    "soft": Pyramid(**SMALL, tying=Tying(layer=1, strength="soft", penalty=0.1)),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_is_the_model(rng, name):
    model, scale = MODELS[name], 2 if "bias" in name else 4
    params = parameters(model, rng)
    _, session = written(model, params, scale)
    check_outputs(model, params, scale, session, rng)


@pytest.mark.parametrize("name", ["cms with biases", "ms", "lapsrn with biases"])
def test_winograds_convolutions_are_the_model(rng, name):
    model, scale = MODELS[name], 4
    params = parameters(model, rng)
    proto, session = written(model, params, scale, winograd=True)
    sizes = [*SIZES, (1, 2, 3), (3, 5, 8), (1, 12, 17)]  # tiles are 4 x 4
    check_outputs(model, params, scale, session, rng, sizes)
    assert not [node for node in proto.graph.node if node.op_type == "Conv" and "block" in node.input[1]]


def test_winograds_kernels_are_stored_once_and_untransformed(rng):
    params = parameters(MODELS["cms"], rng)
    (plain, _), (winograd, _) = (written(MODELS["cms"], params, 4, winograd=w) for w in (False, True))
    sizes = [
        {a.name: tuple(a.dims) for a in p.graph.initializer if a.name.endswith("/kernel")} for p in (plain, winograd)
    ]
    assert sizes[1].pop("winograd/kernel") == (9, 36)
    assert sizes[0] == sizes[1]


def test_eight_times_as_large_and_of_any_size(rng):
    model = Pyramid(features=4, depth=1, recursions=1, tying=Tying(layer=1))
    params = parameters(model, rng)
    _, session = written(model, params, 8)
    check_outputs(model, params, 8, session, rng, [(1, 1, 1), (3, 1, 5), (1, 17, 33)])


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("swap", [True, False])
def test_every_orientation(rng, swap, flip):
    model = Pyramid(**SMALL, tying=Tying(layer=2, swap_channels=swap, flip_taps=flip))
    params = parameters(model, rng)
    proto, session = written(model, params, 4)
    check_outputs(model, params, 4, session, rng)
    arrays = {array.name: onnx.numpy_helper.to_array(array) for array in proto.graph.initializer}
    adjoint = swap and flip
    assert np.array_equal(arrays["upsample/kernel"], arrays["block/conv_2/kernel"]) == adjoint


def test_no_array_serves_two_kinds_of_convolution(rng):
    """OpenVINO's CPU plugin computes a wrong picture from a shared array."""
    for model in (MODELS["cms"], MODELS["its bias tied"], MODELS["lapsrn with biases"]):
        proto, _ = written(model, parameters(model, rng), 2)
        users = {}
        for node in proto.graph.node:
            for name in node.input:
                users.setdefault(name, set()).add(node.op_type)
        assert all(len(users[array.name]) == 1 for array in proto.graph.initializer)


def test_each_parameter_is_stored_once(rng):
    """Except for copies of a tied kernel, and the residual's filter, which is composed with the upsampler's."""
    for model in (MODELS["its bias tied"], MODELS["lapsrn with biases"], MODELS["no skips"]):
        params = parameters(model, rng)
        proto, _ = written(model, params, 4)
        stored = {array.name: np.prod(array.dims) for array in proto.graph.initializer}
        own = {name: array.size for name, array in flatten_dict(params, sep="/").items()}
        if isinstance(model, Pyramid):
            own = {name: size for name, size in own.items() if not name.startswith("residual/")}
            stored = {name: size for name, size in stored.items() if not name.startswith(("composed", "integer"))}
        assert own.items() <= stored.items()
        assert stored.keys() - own.keys() <= {"upsample/kernel", "upsample/bias"}


def test_it_says_what_it_is(rng):
    model = MODELS["cms"]
    proto, session = written(model, parameters(model, rng), 2)
    assert (proto.producer_name, proto.producer_version) == ("lapsrn_jax", __version__)
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["scale"] == "2"
    assert models.from_settings(json.loads(metadata["model"])) == model
    assert json.loads(metadata["weights"]) == {"step": 7}
    assert session.get_inputs()[0].shape == ["batch", 1, "height", "width"]
    assert session.get_outputs()[0].shape == ["batch", 1, "2 * height", "2 * width"]
