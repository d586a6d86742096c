"""Where photographs come from: folders of the user's, or the few that scikit-image ships."""

import importlib.util
import pathlib
import re

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images

BUNDLED = "bundled"
_BUNDLED_TRAIN = ("brick.png", "camera.png", "coffee.png", "grass.png", "gravel.png", "hubble_deep_field.jpg",
                  "ihc.png", "motorcycle_left.png", "motorcycle_right.png")  # fmt: skip
_BUNDLED_HELD_OUT = ("astronaut.png", "chelsea.png", "rocket.jpg")


def image_paths(sources: str, held_out: bool = False) -> list[pathlib.Path]:
    """The pictures that `sources` names.

    Args:
      sources: separated by commas, each a folder, searched to any depth, or "bundled", scikit-image's photographs. As
        "3*FOLDER" its pictures are listed three times: an epoch uses each three times.
      held_out: of the bundled photographs, those kept from training instead of those for it.

    Raises:
      UserError: no such folder, or no picture in it.
    """
    paths: list[pathlib.Path] = []
    for source in sources.split(","):
        weight, name = re.fullmatch(r"\s*(?:(\d+)\*)?(.*?)\s*", source).groups()  # type: ignore[union-attr]
        found = _bundled(held_out) if name == BUNDLED else find_images(name)
        paths += found * int(weight or 1)
    if not paths:
        raise UserError(f"{sources!r} names no photographs")
    return paths


def _bundled(held_out: bool) -> list[pathlib.Path]:
    spec = importlib.util.find_spec("skimage")  # found, not imported: that would take a second
    assert spec is not None, "scikit-image is a dependency of this package"
    assert spec.origin is not None
    folder = pathlib.Path(spec.origin).parent / "data"
    return [folder / name for name in (_BUNDLED_HELD_OUT if held_out else _BUNDLED_TRAIN)]
