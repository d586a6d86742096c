"""Downloads the benchmark sets Set5, Set14, BSD100 and Urban100, and copies the user's Manga109.

The table `SETS` lists the sources. The first is the repository of SelfExSR, which stores each picture cropped to a
multiple of its folder's scale. We use the x2 folders, whose pictures are cropped to even sides at the right and at the
bottom. At x2, x4 and x8 this changes no score, because the protocol crops there anyway; at x3 a picture can lose up to
two more columns. Urban100's x2 folder holds pictures of half the size, so its x4 folder serves every scale; at x2 a
picture can lack up to two rows and columns.

All sources use TLS. Since they store different files, no file is pinned by its digest. Instead, the number of pictures
is checked and each is decoded; for Set5, Set14 and BSD100 their sizes are checked as well, and the `fingerprint` of
their pixels shows whether they are the pictures whose bicubic scores equal the papers'.
"""

import pathlib
import shutil
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tqdm

from lapsrn_jax.data.prepare.archives import extract_images
from lapsrn_jax.data.prepare.downloads import PATIENT, Patience, download
from lapsrn_jax.data.prepare.folders import (
    WrongPictures,
    decoded,
    fingerprint,
    new_folder,
    verify_manifest,
    write_manifest,
)
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images

_LARGEST = 1 << 30  # bytes of a set


class Source(NamedTuple):
    """A place to download a set from.

    Attributes:
      url: address of an archive; or of the pictures, with {n:03} in place of their number, counted from 1.
      inside: folder of the set within the archive; "" for the whole archive.
    """

    url: str
    inside: str = ""


class BenchmarkSet(NamedTuple):
    """A benchmark set and how to recognise it.

    Attributes:
      path: path of a picture in the repository of SelfExSR.
      images: number of pictures.
      mirrors: further sources.
      sizes: number of pictures of each (width, height) in pixels, odd sides rounded down; None if unknown.
      pixels: `fingerprint` of the pictures whose bicubic scores equal the papers'; "" if unknown.
    """

    path: str
    images: int
    mirrors: Sequence[Source] = ()
    sizes: Mapping[tuple[int, int], int] | None = None
    pixels: str = ""


SELF_EX_SR = ("https://github.com/jbhuang0604/SelfExSR/raw/master/data",
              "https://raw.githubusercontent.com/jbhuang0604/SelfExSR/master/data")  # fmt: skip
_HUGGING_FACE = "https://huggingface.co/datasets/eugenesiow/{0}/resolve/main/data/{0}_HR.tar.gz"
_EDSR = "https://cv.snu.ac.kr/research/EDSR/benchmark.tar"  # contains all four sets with low-resolution pictures

SETS = {
    "Set5": BenchmarkSet(
        "Set5/image_SRF_2/img_{n:03}_SRF_2_HR.png",
        5,
        [Source(_HUGGING_FACE.format("Set5")), Source(_EDSR, "benchmark/Set5/HR")],
        {(228, 344): 1, (256, 256): 1, (280, 280): 1, (288, 288): 1, (512, 512): 1},
        "56d899b36425f6e2932d723ffc58806b5f82e6731427bb2990b7d877f2ea3f95",
    ),
    "Set14": BenchmarkSet(
        "Set14/image_SRF_2/img_{n:03}_SRF_2_HR.png",
        14,
        [Source(_HUGGING_FACE.format("Set14")), Source(_EDSR, "benchmark/Set14/HR")],
        {(250, 360): 1, (276, 276): 1, (352, 288): 2, (500, 362): 1, (500, 480): 1, (512, 512): 4, (528, 656): 1,
         (586, 390): 1, (720, 576): 1, (768, 512): 1},
        "a65579982c3d460c5827c6ace68ab7a4dce9a0ad372cf79b5c8996a3f81a1d16",
    ),
    "BSD100": BenchmarkSet(
        "BSD100/image_SRF_2/img_{n:03}_SRF_2_HR.png",
        100,
        [Source(_HUGGING_FACE.format("BSD100")), Source(_EDSR, "benchmark/B100/HR")],
        {(320, 480): 23, (480, 320): 77},
        "ab7c173f1a42b2df1c15f1559221bb3175e2b6208667cc31ab48a32659a6ab1c",
    ),
    "Urban100": BenchmarkSet(
        "Urban100/image_SRF_4/img_{n:03}_SRF_4_HR.png",
        100,
        [Source(_HUGGING_FACE.format("Urban100")), Source(_EDSR, "benchmark/Urban100/HR")],
    ),
}  # fmt: skip
MANGA109 = 109  # pictures


def prepare_benchmarks(
    folder: pathlib.Path,
    url: str | None = None,
    manga109: pathlib.Path | None = None,
    patience: Patience = PATIENT,
    sets: Mapping[str, BenchmarkSet] = SETS,
) -> None:
    """Downloads each set into its folder in `folder`, with a manifest. Existing sets are verified against theirs.

    Args:
      folder: the folder to write to.
      url: address with the layout of SelfExSR's folder "data", used instead of all other sources.
      manga109: folder with the user's own copy of Manga109, whose licence forbids redistribution.
      patience: retry policy of the downloads.
      sets: the sets by the name of their folder.

    Raises:
      UserError: no source provides a set as expected (partial downloads are kept), a set has changed since, the copy of
        Manga109 does not have 109 pictures, or a folder cannot be written.
    """
    downloads = folder / ".downloads"
    for name, benchmark in sets.items():
        if (folder / name).exists():
            print(f"{folder / name}: done already, {verify_manifest(folder / name)} images verified")
            continue
        bases = [url] if url else SELF_EX_SR
        sources = [Source(f"{base.rstrip('/')}/{benchmark.path}") for base in bases]
        if not url:
            sources += benchmark.mirrors
        _prepare_set(folder / name, benchmark, sources, downloads, patience)
    shutil.rmtree(downloads, ignore_errors=True)
    _prepare_manga109(folder / "Manga109", manga109)


def _prepare_set(
    target: pathlib.Path,
    benchmark: BenchmarkSet,
    sources: Sequence[Source],
    downloads: pathlib.Path,
    patience: Patience,
) -> None:
    failures = []
    for source in sources:
        host = urllib.parse.urlsplit(source.url).netloc
        print(f"{target}: downloading from {host}")
        try:
            with new_folder(target) as temporary:
                _fetch(source, target.name, benchmark.images, downloads / host.replace(":", "_"), temporary, patience)
                exact = _check(temporary, benchmark, f"{target.name} of {host}")
                write_manifest(temporary)
        except UserError as error:
            failures.append(error)
            if len(sources) > 1:
                print(f"{target}: {error}")
            continue
        print(f"{target}: {benchmark.images} images, checked{exact}")
        return
    if len(failures) == 1:
        raise failures[0]
    raise UserError(f"none of {len(sources)} sources provides {target}; the last error: {failures[-1]}")


def _fetch(
    source: Source, name: str, count: int, downloads: pathlib.Path, target: pathlib.Path, patience: Patience
) -> None:
    """Fills `target` with the pictures of a source; keeps partial downloads in `downloads` for the next call."""
    if "{n" not in source.url:
        archive = downloads / pathlib.PurePosixPath(urllib.parse.urlsplit(source.url).path).name
        archive.parent.mkdir(parents=True, exist_ok=True)
        if not archive.exists():
            download(source.url, archive, patience)
        try:
            extract_images(archive, target, count, _LARGEST, source.inside)
        except WrongPictures:
            archive.unlink()
            raise
        return
    files = [downloads / name / f"{n:03}.png" for n in range(1, count + 1)]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    for n, file in enumerate(tqdm.tqdm(files, desc=name, unit="image", leave=False), start=1):
        if not file.exists():
            download(source.url.format(n=n), file, patience, progress=False)
    for file in files:
        file.rename(target / file.name)  # moved: the next call downloads wrong pictures again


def _check(folder: pathlib.Path, benchmark: BenchmarkSet, origin: str) -> str:
    """Raises `WrongPictures` if the number or the sizes are wrong; returns a remark on whether the pixels match."""
    sizes: Counter[tuple[int, int]] = Counter()

    def measured() -> Iterator[np.ndarray]:
        for image in decoded(folder, benchmark.images, origin):
            sizes[image.shape[1] // 2 * 2, image.shape[0] // 2 * 2] += 1
            yield image

    pixels = fingerprint(measured())
    if benchmark.sizes is not None and sizes != Counter(benchmark.sizes):
        width, height = next(iter((sizes - Counter(benchmark.sizes)).keys()))
        raise WrongPictures(f"{origin} is a different set: too many of its images have {width} x {height} pixels")
    if not benchmark.pixels:
        return ""
    return (
        ", pixels as in the papers"
        if pixels == benchmark.pixels
        else ", but with other pixels, so scores may differ from papers'"
    )


def _prepare_manga109(target: pathlib.Path, source: pathlib.Path | None) -> None:
    if target.exists():
        print(f"{target}: done already, {verify_manifest(target)} images verified")
    elif source is None:
        print("Manga109 may not be redistributed: request it from manga109.org, then pass --manga109 FOLDER")
    else:
        paths = find_images(source)
        if len(paths) != MANGA109:
            raise UserError(
                f"{source} holds {len(paths)} images, not {MANGA109}: pass the folder with the images of Manga109"
            )
        with new_folder(target) as temporary:
            for path in paths:
                shutil.copyfile(path, temporary / path.name)
            for _ in decoded(temporary, MANGA109, str(source)):
                pass
            write_manifest(temporary)
        print(f"{target}: {MANGA109} images, copied and checked")
