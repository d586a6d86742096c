"""Trained networks on disk, as safetensors files that include the settings of the model."""

import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np
import safetensors
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.weights.matconvnet import read_mat

FILE_NAME = "weights.safetensors"
# The weights in this package, which MODELS.md describes.
PRETRAINED = {path.stem: path for path in sorted(pathlib.Path(__file__).parent.glob("*.safetensors"))}
AUTO = "auto"
_CLEAN, _LOSSY = "cms-lapsrn", "cms-lapsrn-photo"  # what AUTO takes
_ENTRY = "lapsrn_jax"  # key in the file's metadata; its value is JSON: the model's settings and the weights' origin


def save_weights(path: str | os.PathLike[str], model: SuperResolver, params: Any, info: dict[str, Any]) -> None:
    """Writes parameters as float32, with the settings of their model and their origin, to a safetensors file.

    Args:
      path: the file, which appears only when complete.
      model: the model of the parameters.
      params: the parameters.
      info: JSON-ready description of their origin.
    """
    # A single entry: safetensors writes several in any order, but equal weights should give equal files.
    metadata = {_ENTRY: json.dumps({"model": models.settings(model), "info": info})}
    with atomic_write(path) as partial:
        partial.write_bytes(save(_flat(params), metadata))


def load_weights(path: str | os.PathLike[str]) -> tuple[SuperResolver, dict[str, Any]]:
    """Loads a model and its parameters.

    Args:
      path: a run folder, a safetensors file written by `save_weights`, an authors' `.mat` file, or the name of weights
        in this package, a key of `PRETRAINED`. As text, such a name wins over a file or folder of that name, which
        "./NAME" means.

    Raises:
      UserError: the file does not exist, is not a weights file, does not match its model, or has values that are not
        finite.
    """
    path = weights_file(path)
    model, params = read_mat(path) if path.suffix == ".mat" else _read_safetensors(path)
    _check(path, model, params)
    return model, params


def weights_for(weights: str | os.PathLike[str], lossy: bool) -> str | os.PathLike[str]:
    """Returns the weights for a photo from a file with lossy compression, or for any other.

    Args:
      weights: `AUTO`, which chooses between weights in this package, or any argument of `load_weights`.
      lossy: whether the compression is lossy.
    """
    return (_LOSSY if lossy else _CLEAN) if weights == AUTO else weights


def load_weights_for_photos(
    clean: str | os.PathLike[str], lossy: str | os.PathLike[str]
) -> tuple[SuperResolver, dict[str, Any], dict[str, Any] | None]:
    """Loads a model, its parameters, and those for photos from files with lossy compression; None for the same.

    The arguments are those of `load_weights`, for weights of one model. So are the errors.
    """
    clean, lossy = weights_file(clean), weights_file(lossy)
    model, params = load_weights(clean)
    return model, params, None if lossy == clean else load_weights(lossy)[1]


def read_info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the `info` given to `save_weights`, {} for a `.mat` file; paths and errors as in `load_weights`.

    The model may be one that only the caller knows.
    """
    path = weights_file(path)
    return {} if path.suffix == ".mat" else _read_entry(path)[1]


def weights_file(path: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the path of the weights file; argument and errors as in `load_weights`."""
    given = pathlib.Path(path)
    path = PRETRAINED.get(str(path), given) if isinstance(path, str) or not given.exists() else given
    if path.is_dir():
        if not (path / FILE_NAME).exists():
            raise UserError(f"no {FILE_NAME} in {path}: training writes it with its first checkpoint")
        path = path / FILE_NAME
    if not path.exists():
        names = ", ".join(PRETRAINED)
        raise UserError(f"no such weights file or run folder: {path}; the package includes {names}")
    return path


def _read_safetensors(path: pathlib.Path) -> tuple[SuperResolver, dict[str, Any]]:
    settings, _, arrays = _read_entry(path)
    try:
        return models.from_settings(settings), unflatten_dict(arrays, sep="/")
    except (UserError, TypeError, AttributeError) as error:
        raise UserError(f"{path} has an unreadable model description: {error}") from None


def _read_entry(path: pathlib.Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Returns the model's settings, the `info` and the arrays by their names."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not iterable)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a weights file: {error}") from None
    if _ENTRY not in metadata:
        raise UserError(f"{path} does not say which model its weights are for: it was not written by this package")
    try:
        entry = json.loads(metadata[_ENTRY])
        return entry["model"], dict(entry["info"]), arrays
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{path} has an unreadable model description: {error}") from None


def _check(path: pathlib.Path, model: SuperResolver, params: Any) -> None:
    """Raises `UserError` unless `params` are the finite parameters of `model`."""
    expected = models.shapes(model)
    wanted, found = flatten_dict(expected, sep="/"), flatten_dict(params, sep="/")
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found or name not in wanted or found[name].shape != wanted[name].shape:
            shape, other = (tree[name].shape if name in tree else "missing" for tree in (wanted, found))
            raise UserError(f"{path} holds weights of a different model: {name} should be {shape}, but is {other}")
        if not np.isfinite(found[name]).all():
            raise UserError(f"{path} has values that are not finite in {name}")


def weights_digest(params: Any) -> str:
    """Returns the SHA-256 of the parameters: equal values give equal digests."""
    return hashlib.sha256(save(_flat(params))).hexdigest()


def _flat(params: Any) -> dict[str, np.ndarray]:
    """Returns the arrays by their paths in the tree, in the form that safetensors takes."""
    return {name: np.ascontiguousarray(array, np.float32) for name, array in flatten_dict(params, sep="/").items()}
