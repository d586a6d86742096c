"""The networks, all called alike: `model.apply({"params": params}, lr, scale)` with `lr` [N, H, W, model.channels].

It returns a list of images, the last `scale` times as large as `lr`; the pyramids put those of the levels on the way
there before it. `model.scales` are the scales it takes, `model.channels` is 1 for luminance, 3 for RGB.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from lapsrn_jax.errors import UserError
from lapsrn_jax.models.contract import SuperResolver
from lapsrn_jax.models.drcn import DRCN
from lapsrn_jax.models.drrn import DRRN
from lapsrn_jax.models.lapsrn import LapSRN
from lapsrn_jax.models.mdsr import MDSR
from lapsrn_jax.models.pyramid import Pyramid
from lapsrn_jax.models.tying import Tying
from lapsrn_jax.models.vdsr import VDSR

__all__ = [
    "DRCN", "DRRN", "MDSR", "VDSR", "LapSRN", "Pyramid", "SuperResolver", "Tying",
    "from_settings", "initial", "settings", "shapes",
]  # fmt: skip

_MODELS: dict[str, type[SuperResolver]] = {
    "pyramid": Pyramid, "lapsrn": LapSRN, "vdsr": VDSR, "drcn": DRCN, "drrn": DRRN, "mdsr": MDSR
}  # fmt: skip


_COMPUTATION = ("dtype", "remat", "direct")  # attributes that say how to compute, not what


def from_settings(settings: Mapping[str, Any]) -> SuperResolver:
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


def initial(model: SuperResolver, key: jax.Array) -> Any:
    """The parameters that `model` starts with."""
    return model.init(key, jnp.zeros((1, 8, 8, model.channels)), model.scales[0])["params"]


def shapes(model: SuperResolver) -> Any:
    """The tree of `initial` with a `jax.ShapeDtypeStruct` for each parameter. Nothing is computed."""
    return jax.eval_shape(lambda key: initial(model, key), jax.random.key(0))


def settings(model: SuperResolver) -> dict[str, Any]:
    """The inverse of `from_settings`: JSON-ready, complete, kept beside weights so that they can be used again."""
    name = next(name for name, kind in _MODELS.items() if type(model) is kind)
    fields = [field.name for field in dataclasses.fields(model) if field.name not in ("parent", "name", *_COMPUTATION)]
    values = {field: getattr(model, field) for field in fields}
    if values.get("tying") is not None:
        values["tying"] = dataclasses.asdict(values["tying"])
    return {"name": name} | values
