"""Scores of several ways to upscale over folders of pictures, beside each other."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import tqdm

from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.protocol import Protocol, Upscale
from lapsrn_jax.images.io import find_images, read_image, to_uint8, write_image


class Record(TypedDict):
    """One cell of a table: the mean scores of a model over a set of images at a scale."""

    model: str
    set: str
    scale: int
    psnr: float
    ssim: float
    images: int
    protocol: str


def evaluate(
    models: Mapping[str, Upscale],
    folders: Sequence[str | os.PathLike[str]],
    scales: Sequence[int],
    protocol: Protocol,
    save_images: str | os.PathLike[str] | None = None,
) -> list[Record]:
    """Mean PSNR and SSIM of each model on each folder of pictures at each scale.

    Args:
      models: the ways to upscale, by the name they have in the records.
      folders: each is one set, named as the folder is.
      scales: whole numbers, 2 or more.
      protocol: how scores are taken.
      save_images: where to write the results, as SET/x2/NAME_MODEL.png; nowhere if None.

    Raises:
      UserError: a folder without pictures, one that is damaged, or one too small to be scored.
    """
    sets = {pathlib.Path(folder).resolve().name: find_images(folder) for folder in folders}
    records: list[Record] = []
    with tqdm.tqdm(total=len(scales) * sum(map(len, sets.values())), desc="evaluating", unit="image") as progress:
        for set_name, paths in sets.items():
            for scale in scales:
                scores: dict[str, list[tuple[float, float]]] = {model: [] for model in models}
                for path in paths:
                    hr, lr = protocol.degrade(_read_checked(path, scale), scale)
                    for model, upscale in models.items():
                        sr = upscale(lr, scale)
                        scores[model].append(protocol.score(sr, hr, scale))
                        if save_images is not None:
                            folder = pathlib.Path(save_images) / set_name / f"x{scale}"
                            folder.mkdir(parents=True, exist_ok=True)
                            write_image(folder / f"{path.stem}_{model}.png", to_uint8(sr))
                    progress.update()
                for model, pairs in scores.items():
                    mean_psnr, mean_ssim = np.mean(pairs, axis=0)
                    records.append(
                        Record(model=model, set=set_name, scale=scale, psnr=float(mean_psnr), ssim=float(mean_ssim),
                               images=len(paths), protocol=str(protocol))
                    )  # fmt: skip
    return records


def _read_checked(path: pathlib.Path, scale: int) -> np.ndarray:
    image = read_image(path)
    if min(image.shape[:2]) < 4 * scale:
        height, width = image.shape[:2]
        raise UserError(f"{path} is {width} x {height} pixels: too small to be scored at x{scale}")
    return image
