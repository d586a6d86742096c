"""Scores of several ways to upscale over sets of pictures, beside each other."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import tqdm

from lapsrn_jax.data.sources import Picture
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.figures import comparison, telling_crop
from lapsrn_jax.evaluation.protocol import Protocol, Upscale
from lapsrn_jax.images.io import to_uint8, write_image


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
    sets: Mapping[str, Sequence[Picture]],
    scales: Sequence[int],
    protocol: Protocol,
    save_images: str | os.PathLike[str] | None = None,
) -> list[Record]:
    """Mean PSNR and SSIM of each model on each set of pictures at each scale.

    Args:
      models: the ways to upscale, by the name they have in the records.
      sets: the pictures of each set, by its name.
      scales: whole numbers, 2 or more.
      protocol: how scores are taken.
      save_images: where to write the results, as SET/x2/NAME_MODEL.png, and beside them NAME_comparison.png, a
        figure of the crop in which the last model gains most over the first; nowhere if None.

    Raises:
      UserError: a picture that is damaged, or too small to be scored.
    """
    records: list[Record] = []
    total = len(scales) * sum(map(len, sets.values()))
    with tqdm.tqdm(total=total, desc="evaluating", unit="image", leave=False) as progress:
        for set_name, pictures in sets.items():
            names = _unique_names(pictures)
            for scale in scales:
                scores: dict[str, list[tuple[float, float]]] = {model: [] for model in models}
                for picture in pictures:
                    hr, lr = protocol.degrade(read_checked(picture, scale), scale)
                    results = {}
                    for model, upscale in models.items():
                        sr = upscale(lr, scale)
                        scores[model].append(protocol.score(sr, hr, scale))
                        results[model] = to_uint8(sr)
                    if save_images is not None:
                        last = {model: pairs[-1] for model, pairs in scores.items()}
                        _save(pathlib.Path(save_images) / set_name / f"x{scale}", names[picture], hr, results, last)
                    progress.update()
                for model, pairs in scores.items():
                    mean_psnr, mean_ssim = np.mean(pairs, axis=0)
                    records.append(
                        Record(model=model, set=set_name, scale=scale, psnr=float(mean_psnr), ssim=float(mean_ssim),
                               images=len(pictures), protocol=str(protocol))
                    )  # fmt: skip
    return records


def _unique_names(pictures: Sequence[Picture]) -> dict[Picture, str]:
    """A name for each picture's results: its stem, or more of its path where stems repeat."""
    paths = [pathlib.PurePath(picture.name) for picture in pictures]
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else "_".join(path.parts[-2:]) for path in paths]
    return dict(zip(pictures, names, strict=True))


def read_checked(picture: Picture, scale: int) -> np.ndarray:
    """Reads a picture that is to be scored at `scale`; `UserError` if it is damaged or too small for that."""
    image = picture.read()
    if min(image.shape[:2]) < 4 * scale:
        height, width = image.shape[:2]
        raise UserError(f"{picture.name} is {width} x {height} pixels: too small to be scored at x{scale}")
    return image


def _save(
    folder: pathlib.Path,
    name: str,
    hr: np.ndarray,
    results: Mapping[str, np.ndarray],
    scores: Mapping[str, tuple[float, float]],
) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    for model, image in results.items():
        write_image(folder / f"{name}_{model}.png", image)
    captions = {model: f"{psnr:.2f} dB / {ssim:.4f}" for model, (psnr, ssim) in scores.items()}
    images = list(results.values())
    figure = comparison(hr, results, captions, telling_crop(images[0], images[-1], hr))
    write_image(folder / f"{name}_comparison.png", figure)
