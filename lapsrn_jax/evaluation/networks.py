"""The networks to compare, by their names in tables and figures."""

import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.protocol import Upscale, bicubic
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights


class Network(NamedTuple):
    """A network, or bicubic interpolation, in a comparison.

    Attributes:
      name: the name in tables and figures.
      model: the network; None for bicubic interpolation.
      upscale: the function that enlarges an image.
    """

    name: str
    model: SuperResolver | None
    upscale: Upscale

    def can(self, scale: int) -> bool:
        """Whether the network can enlarge by `scale`."""
        return self.model is None or scale <= max(self.model.scales)


def read_networks(sources: Sequence[str]) -> list[Network]:
    """Returns bicubic interpolation and the network of each source.

    Args:
      sources: each is a path or a name as `load_weights` takes it, or NAME=PATH to set the network's name. The default
        name is that of the folder or, without its suffix, of the file.

    Raises:
      UserError: two networks have the same name, or weights cannot be read.
    """
    networks = [Network("bicubic", None, bicubic)]
    for source in sources:
        name, path = _named(source)
        if name in (network.name for network in networks):
            raise UserError(f"two networks would be called {name}: name one of them, as NAME={path}")
        model, params = load_weights(path)
        networks.append(Network(name, model, Upscaler(model, params)))
    return networks


def _named(source: str) -> tuple[str, str]:
    name, equals, path = source.partition("=")
    if equals and not os.path.exists(source):  # the path itself may contain an equals sign
        if not (name and path):
            raise UserError(f"--ckpt takes PATH or NAME=PATH, such as CMS=runs/cms_x4; got {source!r}")
        return name, path
    return pathlib.Path(source).resolve().name if os.path.isdir(source) else pathlib.Path(source).stem, source
