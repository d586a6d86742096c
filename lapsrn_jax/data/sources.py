"""Where photographs come from: folders of the user's, or the few that scikit-image ships."""

import importlib.util
import pathlib
from collections.abc import Sequence

import numpy as np
import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.color import luminance
from lapsrn_jax.images.io import find_images, read_image, to_float

BUNDLED = "bundled"
_BUNDLED_TRAIN = ("brick.png", "camera.png", "coffee.png", "grass.png", "gravel.png", "hubble_deep_field.jpg",
                  "ihc.png", "motorcycle_left.png", "motorcycle_right.png")  # fmt: skip
_BUNDLED_HELD_OUT = ("astronaut.png", "chelsea.png", "rocket.jpg")


def image_paths(sources: str, held_out: bool = False) -> list[pathlib.Path]:
    """The pictures that `sources` names.

    Args:
      sources: folders, separated by commas and searched to any depth; or "bundled", scikit-image's photographs.
      held_out: of the bundled photographs, those kept from training instead of those for it.

    Raises:
      UserError: no such folder, or no picture in it.
    """
    if sources == BUNDLED:
        spec = importlib.util.find_spec("skimage")  # found, not imported: that would take a second
        assert spec is not None, "scikit-image is a dependency of this package"
        assert spec.origin is not None
        folder = pathlib.Path(spec.origin).parent / "data"
        return [folder / name for name in (_BUNDLED_HELD_OUT if held_out else _BUNDLED_TRAIN)]
    return [path for folder in sources.split(",") for path in find_images(folder.strip())]


def read_luminance(paths: Sequence[pathlib.Path], smallest: int) -> list[np.ndarray]:
    """The BT.601 luminance of each picture, float32 [H, W] in [16, 235] / 255; gray is taken as RGB.

    Pictures with a side below `smallest` pixels cannot give a patch: they are named and left out.

    Raises:
      UserError: a picture that cannot be read, or none that is large enough.
    """
    photographs, too_small = [], []
    for path in tqdm.tqdm(paths, desc="reading photographs", unit="image", leave=False):
        image = read_image(path)
        if min(image.shape[:2]) < smallest:
            too_small.append(path)
            continue
        if image.ndim == 2:
            image = np.repeat(image[:, :, None], 3, axis=2)
        photographs.append(luminance(to_float(image)).astype(np.float32))
    if not photographs:
        raise UserError(
            f"all {len(paths)} images are smaller than a patch of {smallest} pixels, such as {too_small[0]}: "
            "lower data.patch_size"
        )
    if too_small:
        names = ", ".join(path.name for path in too_small)
        print(f"left out, smaller than a patch of {smallest} pixels: {names}")
    return photographs
