"""The networks. All are called alike: `model.apply({"params": params}, lr, levels)` returns the image of each level."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from lapsrn_jax.errors import UserError
from lapsrn_jax.models.lapsrn import LapSRN
from lapsrn_jax.models.pyramid import Pyramid
from lapsrn_jax.models.tying import Tying

__all__ = ["LapSRN", "Pyramid", "Tying", "from_settings", "settings"]

_MODELS: dict[str, type[nn.Module]] = {"pyramid": Pyramid, "lapsrn": LapSRN}


_COMPUTATION = ("dtype", "remat")  # attributes that say how to compute, not what


def from_settings(settings: Mapping[str, Any]) -> nn.Module:
    """The model that plain settings describe: `name` and the model's attributes, `tying` as a mapping or None.

    Raises:
      UserError: an unknown name or attribute, or a value out of range.
    """
    arguments = dict(settings)
    name = arguments.pop("name", None)
    if name not in _MODELS:
        raise UserError(f"model.name must be one of {', '.join(_MODELS)}; got {name!r}")
    try:
        if arguments.get("tying") is not None:
            arguments["tying"] = Tying(**arguments["tying"])
        return _MODELS[name](**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"bad model settings: {error}") from None


def settings(model: nn.Module) -> dict[str, Any]:
    """The inverse of `from_settings`: JSON-ready, complete, kept beside weights so that they can be used again."""
    name = next(name for name, kind in _MODELS.items() if type(model) is kind)
    fields = [field.name for field in dataclasses.fields(model) if field.name not in ("parent", "name", *_COMPUTATION)]
    values = {field: getattr(model, field) for field in fields}
    if values.get("tying") is not None:
        values["tying"] = dataclasses.asdict(values["tying"])
    return {"name": name} | values
