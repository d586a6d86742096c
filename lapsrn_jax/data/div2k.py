"""Reads DIV2K's photographs from the dataset that `lapsrn prepare div2k` writes."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from lapsrn_jax.errors import UserError


class Split:
    """A split of DIV2K: photographs, uint8 [H, W, 3], in the order of their file names, decoded on access.

    Attributes:
      files: the array_record files that hold the photographs.
    """

    def __init__(self, source: Sequence[Any], files: Sequence[pathlib.Path]) -> None:
        self._source = source
        self.files = tuple(files)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> np.ndarray:
        image: np.ndarray = self._source[index]["image"]
        return image


def open_div2k(folder: pathlib.Path, split: str) -> Split:
    """Opens the dataset that `lapsrn prepare div2k --folder FOLDER` wrote.

    Args:
      folder: FOLDER.
      split: "train" or "validation".

    Raises:
      UserError: there is no dataset in the folder, it has no such split, or TFDS is not installed.
    """
    version = dataset_folder(pathlib.Path(folder))
    if not version.is_dir():
        raise UserError(f"no DIV2K dataset in {folder}: run lapsrn prepare div2k --folder {folder}")
    builder = import_tfds().builder_from_directory(version)
    if split not in builder.info.splits:
        raise UserError(f"DIV2K has no split {split!r}, only {' and '.join(builder.info.splits)}")
    files = [pathlib.Path(path) for path in builder.info.splits[split].filepaths]
    return Split(builder.as_data_source(split), files)


def dataset_folder(folder: pathlib.Path) -> pathlib.Path:
    """Returns the path of the dataset within `folder`."""
    return folder / "div2k_hr" / "1.0.0"


def import_tfds() -> Any:
    """Imports `tensorflow_datasets`, an optional dependency; raises `UserError` if it is not installed."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise UserError(f"cannot import tensorflow-datasets ({error}): pip install '.[datasets]'") from None
    return tensorflow_datasets
