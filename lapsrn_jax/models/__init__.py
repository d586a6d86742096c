"""The networks, which share one interface.

`model.apply({"params": params}, lr, scale)` takes `lr` [N, H, W, model.channels] and returns a list of images. The last
one is `scale` times as large as `lr`; the pyramids return the images of the levels in between before it. `model.scales`
lists the supported scales, and `model.channels` is 1 for luminance and 3 for RGB.
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


_COMPUTATION = ("dtype", "remat", "direct", "on_amx")  # attributes that affect how to compute, not what


def from_settings(settings: Mapping[str, Any]) -> SuperResolver:
    """Builds the model from its settings: `name` and the model's attributes, with `tying` as a mapping or None.

    Raises:
      UserError: a name or attribute is unknown, or a value is out of range.
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
    """Returns freshly initialised parameters of `model`."""
    return model.init(key, jnp.zeros((1, 8, 8, model.channels)), model.scales[0])["params"]


def shapes(model: SuperResolver) -> Any:
    """Returns the tree of `initial` with a `jax.ShapeDtypeStruct` for each parameter, without computing anything."""
    return jax.eval_shape(lambda key: initial(model, key), jax.random.key(0))


def settings(model: SuperResolver) -> dict[str, Any]:
    """Returns all settings of a model, JSON-ready: the inverse of `from_settings`. Weights files store them.

    Of a model that this package does not know, they are its name only.
    """
    name = next((name for name, kind in _MODELS.items() if type(model) is kind), None)
    if name is None:
        return {"name": f"{type(model).__module__}.{type(model).__qualname__}"}
    fields = [field.name for field in dataclasses.fields(model) if field.name not in ("parent", "name", *_COMPUTATION)]
    values = {field: getattr(model, field) for field in fields}
    if values.get("tying") is not None:
        values["tying"] = dataclasses.asdict(values["tying"])
    return {"name": name} | values
