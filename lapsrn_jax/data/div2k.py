"""DIV2K's photographs, read from the dataset that `lapsrn prepare div2k` packs."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from lapsrn_jax.errors import UserError


class Split:
    """Photographs, uint8 [H, W, 3], in the order of their files' names, each decoded when asked for.

    Attributes:
      files: the array_record files that hold them.
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
    """The photographs that `lapsrn prepare div2k --folder FOLDER` has packed.

    Args:
      folder: the FOLDER.
      split: "train" or "validation".

    Raises:
      UserError: no dataset there, no such split in it, or TFDS is not installed.
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
    """Where in `folder` the dataset is."""
    return folder / "div2k_hr" / "1.0.0"


def import_tfds() -> Any:
    """The module `tensorflow_datasets`; `UserError` if it is not installed: it is an extra."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise UserError(f"tensorflow-datasets cannot be used ({error}): pip install 'lapsrn_jax[datasets]'") from None
    return tensorflow_datasets
