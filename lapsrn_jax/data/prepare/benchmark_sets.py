"""The benchmark sets that papers report: Set5, Set14, BSD100, Urban100 and, from a copy of the user's, Manga109.

Where they come from is the table `SETS`. Its first source is the repository of SelfExSR, which stores each picture cut
to a multiple of the scale that its folder is for. The x2 folders are used, cut to even sides at the right and below:
for the scales 2, 4 and 8 that changes no score, because the protocol cuts there anyway; for x3 a picture can lose up to
two columns more than it would. Urban100's x2 folder holds pictures of half the size, so its x4 folder is used for every
scale; at x2 up to two columns and rows of a picture are missing.
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
    """One place that has a set.

    Attributes:
      url: of an archive; or of the pictures, with {n:03} for the number of a picture, which begins with 1.
      inside: the archive's folder that has the set; the whole archive if empty.
    """

    url: str
    inside: str = ""


class BenchmarkSet(NamedTuple):
    """What is known of a set.

    Attributes:
      path: of a picture in the repository of SelfExSR.
      images: how many there are.
      mirrors: where else the set is.
      sizes: how many pictures there are of each (width, height) in pixels, odd sides rounded down; None if unknown.
      pixels: `fingerprint` of the pictures whose bicubic scores equal the papers'; empty if unknown.
    """

    path: str
    images: int
    mirrors: Sequence[Source] = ()
    sizes: Mapping[tuple[int, int], int] | None = None
    pixels: str = ""


SELF_EX_SR = ("https://github.com/jbhuang0604/SelfExSR/raw/master/data",
              "https://raw.githubusercontent.com/jbhuang0604/SelfExSR/master/data")  # fmt: skip
_HUGGING_FACE = "https://huggingface.co/datasets/eugenesiow/{0}/resolve/main/data/{0}_HR.tar.gz"
_EDSR = "https://cv.snu.ac.kr/research/EDSR/benchmark.tar"  # holds all four, and their low-resolution pictures

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
    """Puts each set into its folder in `folder`, with a manifest by which those that are there already are verified.

    Args:
      folder: where to.
      url: a place that has the layout of SelfExSR's folder "data", to be asked instead of all others.
      manga109: a folder with the user's own copy of Manga109, whose licence forbids others to hand it out.
      patience: of the downloads.
      sets: the sets, by the names of their folders.

    Raises:
      UserError: a set that no source has as it should be (what has arrived is kept), one that was changed since, a
        copy of Manga109 that is not 109 pictures, or a place that cannot be written.
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
    raise UserError(f"{target} could be had from none of {len(sources)} sources, the last: {failures[-1]}")


def _fetch(
    source: Source, name: str, count: int, downloads: pathlib.Path, target: pathlib.Path, patience: Patience
) -> None:
    """Fills `target` with the pictures of a source; leaves in `downloads` what a next call can go on from."""
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
        file.rename(target / file.name)  # away: if they turn out to be wrong, the next call fetches them anew


def _check(folder: pathlib.Path, benchmark: BenchmarkSet, origin: str) -> str:
    """Raises `WrongPictures` if number or sizes are wrong; says if the pixels are those of the papers."""
    sizes: Counter[tuple[int, int]] = Counter()

    def measured() -> Iterator[np.ndarray]:
        for image in decoded(folder, benchmark.images, origin):
            sizes[image.shape[1] // 2 * 2, image.shape[0] // 2 * 2] += 1
            yield image

    pixels = fingerprint(measured())
    if benchmark.sizes is not None and sizes != Counter(benchmark.sizes):
        width, height = next(iter((sizes - Counter(benchmark.sizes)).keys()))
        raise WrongPictures(f"{origin} is another set: too many of its images are of {width} x {height} pixels")
    if not benchmark.pixels:
        return ""
    return (
        ", pixels as in the papers"
        if pixels == benchmark.pixels
        else ", but scores may differ from papers': other pixels"
    )


def _prepare_manga109(target: pathlib.Path, source: pathlib.Path | None) -> None:
    if target.exists():
        print(f"{target}: done already, {verify_manifest(target)} images verified")
    elif source is None:
        print("Manga109 may not be handed out: ask for it on manga109.org, then give --manga109 FOLDER")
    else:
        paths = find_images(source)
        if len(paths) != MANGA109:
            raise UserError(f"{source} holds {len(paths)} images, not {MANGA109}: give the folder of Manga109's")
        with new_folder(target) as temporary:
            for path in paths:
                shutil.copyfile(path, temporary / path.name)
            for _ in decoded(temporary, MANGA109, str(source)):
                pass
            write_manifest(temporary)
        print(f"{target}: {MANGA109} images, copied and checked")
