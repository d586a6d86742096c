"""Downloads DIV2K's high-resolution photographs, checks them, and packs them as a TFDS dataset without TensorFlow.

TFDS's own `div2k` needs TensorFlow for this step, and also downloads the low-resolution pictures, which we do not use.
"""

import importlib.util
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import tqdm

from lapsrn_jax.data.div2k import dataset_folder, import_tfds
from lapsrn_jax.data.prepare.archives import extract_images
from lapsrn_jax.data.prepare.downloads import PATIENT, Patience, download
from lapsrn_jax.data.prepare.folders import WrongPictures, decoded, new_folder
from lapsrn_jax.errors import UserError
from lapsrn_jax.files import sha256
from lapsrn_jax.images.io import find_images

URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
_SHARD = 100  # photographs per file of the dataset, about half a gigabyte


class Part(NamedTuple):
    """An archive of DIV2K.

    Attributes:
      name: name of the archive and of its folder.
      images: number of pictures.
      largest: limit for their total size, in bytes when extracted.
      digest: SHA-256 of the archive, as TFDS publishes it; "" if unknown.
    """

    name: str
    images: int
    largest: int
    digest: str = ""


PARTS = {
    "train": Part("DIV2K_train_HR", 800, 8 << 30, "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"),
    "validation": Part(
        "DIV2K_valid_HR", 100, 1 << 30, "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"
    ),
}


def prepare_div2k(
    folder: pathlib.Path, url: str = URL, patience: Patience = PATIENT, parts: Mapping[str, Part] = PARTS
) -> None:
    """Puts DIV2K into `folder`, as folders of PNGs and, if TFDS is installed, as an array_record dataset.

    Finished steps are skipped. An archive that is already in `folder` is used instead of a download, and kept.

    Args:
      folder: the folder to write to.
      url: address of the folder with the archives.
      patience: retry policy of the downloads.
      parts: the archives, by the names of their splits in the dataset.

    Raises:
      UserError: a download failed (partial data is kept), an archive is not DIV2K's (a downloaded one is removed), a
        folder is no longer complete, or a folder cannot be written.
    """
    for part in parts.values():
        _prepare_part(folder, url, patience, part)
    if importlib.util.find_spec("tensorflow_datasets") is None:
        print(f"tensorflow-datasets is not installed: use --config.data.train={folder / parts['train'].name}")
        return
    if (version := dataset_folder(folder)).is_dir():
        print(f"{version}: done already")
    else:
        print(f"{version}: packing")
        _pack(folder, parts)
        print(f"{version}: done")


def _prepare_part(folder: pathlib.Path, url: str, patience: Patience, part: Part) -> None:
    target, archive = folder / part.name, folder / f"{part.name}.zip"
    if target.exists():
        if (here := len(find_images(target))) != part.images:
            raise UserError(f"{target} holds {here} images, not {part.images}: remove it and run the command again")
        print(f"{target}: done already")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    if own := archive.exists():
        print(f"{archive}: using the existing archive")
    else:
        print(f"{archive}: downloading from {url}")
        download(f"{url.rstrip('/')}/{archive.name}", archive, patience)
    try:
        if part.digest and sha256(archive) != part.digest:
            raise WrongPictures(f"{archive.name} is not DIV2K's archive: its SHA-256 is not {part.digest}")
        with new_folder(target) as temporary:
            extract_images(archive, temporary, part.images, part.largest)
            for _ in decoded(temporary, part.images, archive.name):
                pass
    except WrongPictures as error:
        if own:
            raise UserError(f"{error}: remove {archive} and run the command again") from None
        archive.unlink()
        raise UserError(f"{error}: run the command again, or pass an --url other than {url}") from None
    if not own:
        archive.unlink()
    print(f"{target}: {part.images} photographs, checked")


def _pack(folder: pathlib.Path, parts: Mapping[str, Part]) -> None:
    """Writes the dataset one photograph at a time, in the order of their names.

    A `GeneratorBasedBuilder` would not do: above 1 GB it shuffles the examples with TensorFlow.
    """
    tfds = import_tfds()
    final = dataset_folder(folder)
    with new_folder(final) as temporary:
        identity = tfds.core.DatasetIdentity(
            name=final.parent.name, version=final.name, data_dir=str(temporary), module_name=__name__
        )
        info = tfds.core.DatasetInfo(
            builder=identity,
            description="The high-resolution photographs of DIV2K.",
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                }
            ),
            homepage="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
            disable_shuffling=True,
        )
        writer = tfds.core.SequentialWriter(info, _SHARD, file_format="array_record")
        writer.initialize_splits(list(parts))
        for split, part in parts.items():
            for path in tqdm.tqdm(find_images(folder / part.name), desc=part.name, unit="image", leave=False):
                writer.add_examples({split: [{"name": path.stem, "image": path}]})
        writer.close_all()
