"""The authors' released LapSRN and MS-LapSRN weights: MatConvNet's `.mat` files.

MatConvNet stores convolution kernels as [h, w, I, O], as Flax does. It stores the kernel of a transposed convolution as
[h, w, O, I], the kernel of the convolution that it transposes; `lax.conv_transpose` expects it rotated by 180 degrees.
MATLAB drops trailing axes of length 1.
"""

import os
import re
from typing import Any

import numpy as np
import scipy.io

from lapsrn_jax.errors import UserError
from lapsrn_jax.models import LapSRN, Pyramid, SuperResolver


def read_mat(path: str | os.PathLike[str]) -> tuple[SuperResolver, dict[str, Any]]:
    """Loads the model in a released `.mat` file and its parameters, float32.

    Raises:
      UserError: the file does not exist, is not a MATLAB file, or does not contain such a network.
    """
    try:
        net = scipy.io.loadmat(path, simplify_cells=True, variable_names=["net"])["net"]
        arrays = {param["name"]: np.asarray(param["value"], np.float32) for param in net["params"]}
        names = [layer["name"] for layer in net["layers"]]
        return _ms_lapsrn(arrays, names) if "conv1_f" in arrays else _lapsrn(arrays)
    except FileNotFoundError:
        raise UserError(f"no such weights file: {path}") from None
    except Exception as error:  # scipy raises many types for a damaged file
        raise UserError(f"{path} is not a LapSRN or MS-LapSRN .mat file ({type(error).__name__}: {error})") from None


def _filter(arrays: dict[str, np.ndarray], name: str, shape: tuple[int, int, int, int]) -> dict[str, np.ndarray]:
    kernel = {"kernel": arrays[f"{name}_f"].reshape(shape)}
    return kernel | {"bias": arrays[f"{name}_b"].reshape(shape[-1])} if f"{name}_b" in arrays else kernel


def _upsample(arrays: dict[str, np.ndarray], name: str, size: int, channels: int) -> dict[str, np.ndarray]:
    shared = _filter(arrays, name, (size, size, channels, channels))
    return shared | {"kernel": shared["kernel"][::-1, ::-1].swapaxes(2, 3)}


def _level(arrays: dict[str, np.ndarray], prefix: str, depth: int) -> dict[str, Any]:
    c = arrays["input_conv_f"].shape[-1]
    return {
        "block": {f"conv_{i}": _filter(arrays, f"{prefix}conv{i}", (3, 3, c, c)) for i in range(1, depth + 1)},
        "upsample": _upsample(arrays, f"{prefix}upconv", 3, c),
        "residual": _filter(arrays, f"{prefix}residual_conv", (3, 3, c, 1)),
        "image_upsample": _upsample(arrays, f"{prefix}img_up", 4, 1),
    }


def _conv_in(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {"conv_in": _filter(arrays, "input_conv", (3, 3, 1, arrays["input_conv_f"].shape[-1]))}


def _largest(pattern: str, names: Any) -> int:
    """Returns the largest number that the group of `pattern` matches in `names`."""
    return max(int(match.group(1)) for match in map(re.compile(pattern).search, names) if match)


def _ms_lapsrn(arrays: dict[str, np.ndarray], layer_names: list[str]) -> tuple[SuperResolver, dict[str, Any]]:
    depth, recursions = _largest(r"^conv(\d+)_f", arrays), _largest(r"level1_R(\d+)_", layer_names)
    params = _conv_in(arrays) | _level(arrays, "", depth)
    features = params["conv_in"]["kernel"].shape[-1]
    return Pyramid(features=features, depth=depth, recursions=recursions, skip="source", use_bias=True), params


def _lapsrn(arrays: dict[str, np.ndarray]) -> tuple[SuperResolver, dict[str, Any]]:
    levels, depth = _largest(r"^level(\d+)_", arrays), _largest(r"_conv(\d+)_f", arrays)
    params = _conv_in(arrays)
    for i in range(1, levels + 1):  # the authors number levels from the last to the first
        params[f"level_{i}"] = _level(arrays, f"level{levels + 1 - i}_", depth)
    features = params["conv_in"]["kernel"].shape[-1]
    return LapSRN(levels=levels, features=features, depth=depth, use_bias=True), params
