"""Scores networks on sets of pictures."""

import collections
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import tqdm

from lapsrn_jax.data.sources import Picture
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.figures import Example, comparison
from lapsrn_jax.evaluation.networks import Network
from lapsrn_jax.evaluation.protocol import Protocol, Upscale
from lapsrn_jax.images.io import to_uint8, write_image


class Record(TypedDict):
    """A table cell: the mean scores of a model over a set of images at a scale."""

    model: str
    set: str
    scale: int
    psnr: float
    ssim: float
    images: int
    protocol: str


def evaluate_networks(
    networks: Sequence[Network],
    sets: Mapping[str, Sequence[Picture]],
    scales: Sequence[int],
    protocol: Protocol,
    save_images: str | os.PathLike[str] | None = None,
) -> list[Record]:
    """Like `evaluate`, but scores each network only at the scales that it supports.

    Raises:
      UserError: as `evaluate`, or no network supports one of the scales.
    """
    for scale in scales:
        trained = [network for network in networks if network.model is not None]
        if trained and not any(network.can(scale) for network in trained):
            names = " and ".join(network.name for network in trained)
            largest = max(max(network.model.scales) for network in trained if network.model is not None)
            raise UserError(f"{names} can enlarge by at most x{largest}, not by x{scale}")
    records: list[Record] = []
    for set_name, pictures in sets.items():
        for scale in scales:
            models = {network.name: network.upscale for network in networks if network.can(scale)}
            records += evaluate(models, {set_name: pictures}, [scale], protocol, save_images)
    return records


def evaluate(
    models: Mapping[str, Upscale],
    sets: Mapping[str, Sequence[Picture]],
    scales: Sequence[int],
    protocol: Protocol,
    save_images: str | os.PathLike[str] | None = None,
) -> list[Record]:
    """Computes the mean PSNR and SSIM of each model on each set of pictures at each scale.

    Args:
      models: the functions that enlarge, by their name in the records.
      sets: the pictures of each set by its name.
      scales: integers, 2 or more.
      protocol: the evaluation protocol.
      save_images: a folder to save results to, as SET/x2/NAME_MODEL.png, with a figure NAME_comparison.png of the crop
        in which the last model improves most on the first; None to save nothing.

    Returns:
      A record for each set, scale and model, in this order.

    Raises:
      UserError: a picture is damaged or too small to be scored.
    """
    records: list[Record] = []
    for set_name, pictures in sets.items():
        names = _unique_names(pictures) if save_images is not None else {}
        for scale in scales:
            scores: dict[str, list[tuple[float, float]]] = {model: [] for model in models}
            for picture in tqdm.tqdm(pictures, desc=f"{set_name} x{scale}", unit="image", leave=False):
                example = score_picture(picture, models, scale, protocol)
                for model, pair in example.scores.items():
                    scores[model].append(pair)
                if save_images is not None:
                    _save(pathlib.Path(save_images) / set_name / f"x{scale}", names[picture], example, scale)
            for model, pairs in scores.items():
                mean_psnr, mean_ssim = np.mean(pairs, axis=0)
                records.append(
                    Record(model=model, set=set_name, scale=scale, psnr=float(mean_psnr), ssim=float(mean_ssim),
                           images=len(pictures), protocol=str(protocol))
                )  # fmt: skip
    return records


def without_damaged(sets: Mapping[str, Sequence[Picture]], scale: int) -> dict[str, list[Picture]]:
    """Returns the sets without the pictures that cannot be read, or are too small to be scored at `scale`.

    Prints the reason for each of these to stderr.

    Raises:
      UserError: a set has no other picture.
    """
    whole: dict[str, list[Picture]] = {}
    for name, pictures in sets.items():
        whole[name] = []
        for picture in tqdm.tqdm(pictures, desc=f"checking {name}", unit="image", leave=False):
            try:
                read_checked(picture, scale)
            except UserError as error:
                tqdm.tqdm.write(f"left out: {error}", file=sys.stderr)
            else:
                whole[name].append(picture)
        if not whole[name]:
            raise UserError(f"no picture of {name} can be scored")
    return whole


def score_picture(picture: Picture, models: Mapping[str, Upscale], scale: int, protocol: Protocol) -> Example:
    """Shrinks a picture, enlarges it with each model, and scores the results; raises `UserError` as `evaluate` does."""
    hr, lr = protocol.degrade(read_checked(picture, scale), scale)
    results, scores = {}, {}
    for model, upscale in models.items():
        sr = upscale(lr, scale)
        results[model], scores[model] = to_uint8(sr), protocol.score(sr, hr, scale)
    return Example(pathlib.PurePath(picture.name).stem, hr, results, scores)


def _unique_names(pictures: Sequence[Picture]) -> dict[Picture, str]:
    """Returns a file name for each picture's results: its stem, with as many folders as tell equal stems apart."""
    paths = [pathlib.PurePath(picture.name) for picture in pictures]
    names = [path.stem for path in paths]
    for parts in range(2, max(len(path.parts) for path in paths) + 1):
        counts = collections.Counter(names)
        for i, path in enumerate(paths):
            if counts[names[i]] > 1:
                names[i] = "_".join(path.relative_to(path.anchor).parts[-parts:])
    return dict(zip(pictures, names, strict=True))


def read_checked(picture: Picture, scale: int) -> np.ndarray:
    """Reads a picture; raises `UserError` if it is damaged or too small to be scored at `scale`."""
    image = picture.read()
    if too_small(image, scale):
        height, width = image.shape[:2]
        raise UserError(f"{picture.name} is {width} x {height} pixels: too small to be scored at x{scale}")
    return image


def too_small(image: np.ndarray, scale: int) -> bool:
    """Whether a picture is too small to be scored at `scale`."""
    return min(image.shape[:2]) < 4 * scale


def _save(folder: pathlib.Path, name: str, example: Example, scale: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    for model, image in example.results.items():
        write_image(folder / f"{name}_{model}.png", image)
    write_image(folder / f"{name}_comparison.png", comparison([example], scale))
