"""The networks that are scored beside each other, by the names they have in tables and figures."""

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
    """A way to upscale.

    Attributes:
      name: its name in tables and figures.
      model: the network; None for bicubic interpolation.
      upscale: the function that enlarges.
    """

    name: str
    model: SuperResolver | None
    upscale: Upscale

    def can(self, scale: int) -> bool:
        """Whether it enlarges by `scale`."""
        return self.model is None or scale <= max(self.model.scales)


def read_networks(sources: Sequence[str]) -> list[Network]:
    """Bicubic interpolation, then the network of each source.

    Args:
      sources: each a path or a name as `load_weights` takes it, or NAME=PATH to give the network a name. Otherwise its
        name is that of the folder or, without the suffix, of the file.

    Raises:
      UserError: two networks of one name, or weights that cannot be read.
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
    if equals and not os.path.exists(source):  # a folder's own name may have an equals sign
        if not (name and path):
            raise UserError(f"--ckpt takes PATH or NAME=PATH, such as CMS=runs/cms_x4; got {source!r}")
        return name, path
    return pathlib.Path(source).resolve().name if os.path.isdir(source) else pathlib.Path(source).stem, source
