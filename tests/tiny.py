"""A run small enough for a test: the real config, shrunk."""

import pathlib

import ml_collections
import numpy as np
from scipy.ndimage import gaussian_filter

from configs import default
from lapsrn_jax.images.io import write_image

MODEL = {"features": 8, "depth": 3, "recursions": 1}
OVERRIDES = {
    "training.steps": 6,
    "training.checkpoint_every": 2,
    "training.log_every": 1,
    "data.patch_size": 32,
    "data.batch_size": 4,
    "data.scales": (2, 4),
    "data.validation": "",
    "optimizer.learning_rate": 1e-3,
} | {f"model.{name}": value for name, value in MODEL.items()}


def photograph(generator: np.random.Generator, height: int = 48, width: int = 48) -> np.ndarray:
    """uint8 [height, width, 3] with some structure, so that a network can learn."""
    image = gaussian_filter(generator.standard_normal((height, width, 3)), (1.5, 1.5, 0))
    return np.uint8(np.clip(128 + 300 * image, 0, 255))


def write_photographs(folder: pathlib.Path, count: int = 3, size: int = 48) -> pathlib.Path:
    """Fills a folder with such pictures, named 0.png, 1.png, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(1)
    for i in range(count):
        write_image(folder / f"{i}.png", photograph(generator, size, size + 8 * i))
    return folder


def config(train: pathlib.Path, **overrides: object) -> ml_collections.ConfigDict:
    """`configs/default.py` with `OVERRIDES`, then `overrides` (double underscores stand for dots)."""
    result = default.get_config()
    changes = OVERRIDES | {"data.train": str(train)} | {k.replace("__", "."): v for k, v in overrides.items()}
    result.update_from_flattened_dict(changes)
    return result


def flags(train: pathlib.Path) -> list[str]:
    """The same as command-line flags of train.py."""
    values = OVERRIDES | {"data.train": str(train)}
    return ["--config=configs/default.py", *(f"--config.{name}={value}" for name, value in values.items())]
