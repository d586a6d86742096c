"""Synthetic MatConvNet files are read so that they match loops that implement the definition of its layers."""

import numpy as np
import pytest
import scipy.io

from lapsrn_jax.errors import UserError
from lapsrn_jax.models import settings
from lapsrn_jax.weights.matconvnet import read_mat

C = 3


def conv(x, arrays, name):
    """Implements vl_nnconv for x [H, W, I]: it does not flip kernels; the padding is 1."""
    filters, bias = arrays[f"{name}_f"], arrays[f"{name}_b"]
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    result = np.zeros((*x.shape[:2], filters.shape[3])) + bias
    for i in range(3):
        for j in range(3):
            result += padded[i : i + x.shape[0], j : j + x.shape[1]] @ filters[i, j]
    return result


def conv_transpose(x, filters, crop):
    """Implements vl_nnconvt with stride 2: filters are [h, w, O, I], crop is (top, bottom, left, right)."""
    size = filters.shape[0]
    full = np.zeros((2 * x.shape[0] - 2 + size, 2 * x.shape[1] - 2 + size, filters.shape[2]))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            full[2 * i : 2 * i + size, 2 * j : 2 * j + size] += filters @ x[i, j]
    top, bottom, left, right = crop
    return full[top : full.shape[0] - bottom, left : full.shape[1] - right]


def relu(x):
    return np.maximum(x, 0.2 * x)


def draw(rng, shapes):
    return {name: rng.standard_normal(shape).astype(np.float32) / 3 for name, shape in shapes.items()}


def write(path, arrays, layers):
    """Writes the file and, like MATLAB, drops trailing axes of length 1."""
    params = np.array([(name, np.squeeze(value)) for name, value in arrays.items()],
                      dtype=[("name", object), ("value", object)])  # fmt: skip
    names = np.array([(name,) for name in layers], dtype=[("name", object)])
    scipy.io.savemat(path, {"net": {"params": params, "layers": names}})


def level_shapes(prefix, depth):
    shapes = {f"{prefix}upconv_f": (3, 3, C, C), f"{prefix}upconv_b": (C,), f"{prefix}residual_conv_f": (3, 3, C, 1),
              f"{prefix}residual_conv_b": (1,), f"{prefix}img_up_f": (4, 4, 1, 1)}  # fmt: skip
    for i in range(1, depth + 1):
        shapes |= {f"{prefix}conv{i}_f": (3, 3, C, C), f"{prefix}conv{i}_b": (C,)}
    return shapes


INPUT = {"input_conv_f": (3, 3, 1, C), "input_conv_b": (C,)}


def test_ms_lapsrn(tmp_path, rng):
    arrays = draw(rng, INPUT | level_shapes("", depth=2))
    write(tmp_path / "ms.mat", arrays, ["x2SR_level1_R1_conv1", "x2SR_level1_R2_conv1", "x2SR_level1_R3_conv1"])
    model, params = read_mat(tmp_path / "ms.mat")
    assert settings(model) | {"features": C, "depth": 2, "recursions": 3, "use_bias": True} == settings(model)

    image = rng.random((4, 5, 1)).astype(np.float32)
    features, enlarged, expected = conv(image, arrays, "input_conv"), image, []
    for _ in range(2):
        source = features
        for _ in range(3):
            h = features
            for name in ("conv1", "conv2"):
                h = conv(relu(h), arrays, name)
            features = h + source
        features = conv_transpose(relu(features), arrays["upconv_f"], (0, 1, 0, 1)) + arrays["upconv_b"]
        enlarged = conv_transpose(enlarged, arrays["img_up_f"], (1, 1, 1, 1)) + conv(features, arrays, "residual_conv")
        expected.append(enlarged)
    for mine, theirs in zip(model.apply({"params": params}, image[None], 4), expected, strict=True):
        np.testing.assert_allclose(mine[0], theirs, rtol=1e-4, atol=1e-4)


def test_lapsrn_whose_levels_count_down(tmp_path, rng):
    arrays = draw(rng, INPUT | level_shapes("level2_", depth=2) | level_shapes("level1_", depth=2))
    write(tmp_path / "lapsrn.mat", arrays, [])
    model, params = read_mat(tmp_path / "lapsrn.mat")
    assert settings(model) == {"name": "lapsrn", "levels": 2, "features": C, "depth": 2, "use_bias": True}

    image = rng.random((4, 5, 1)).astype(np.float32)
    features, enlarged, expected = relu(conv(image, arrays, "input_conv")), image, []
    for level in ("level2_", "level1_"):
        for name in ("conv1", "conv2"):
            features = relu(conv(features, arrays, level + name))
        up = conv_transpose(features, arrays[f"{level}upconv_f"], (0, 1, 0, 1)) + arrays[f"{level}upconv_b"]
        features = relu(up)
        residual = conv(features, arrays, f"{level}residual_conv")
        enlarged = conv_transpose(enlarged, arrays[f"{level}img_up_f"], (1, 1, 1, 1)) + residual
        expected.append(enlarged)
    for mine, theirs in zip(model.apply({"params": params}, image[None], 4), expected, strict=True):
        np.testing.assert_allclose(mine[0], theirs, rtol=1e-4, atol=1e-4)


def test_other_files_are_refused(tmp_path):
    scipy.io.savemat(tmp_path / "other.mat", {"x": np.zeros(3)})
    with pytest.raises(UserError, match=r"other\.mat is not a LapSRN"):
        read_mat(tmp_path / "other.mat")
