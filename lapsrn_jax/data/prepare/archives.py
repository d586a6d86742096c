"""Extracts pictures from zip and tar files that are not trusted."""

import functools
import gzip
import pathlib
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

import tqdm

from lapsrn_jax.data.prepare.folders import WrongPictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import FORMAT_OF_SUFFIX

_USUAL = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Member(NamedTuple):
    name: str
    size: int  # in bytes, uncompressed
    plain: bool  # a regular file, not encrypted, compressed in the usual way
    open: Callable[[], IO[bytes]]


def extract_images(archive: pathlib.Path, folder: pathlib.Path, count: int, largest: int, inside: str = "") -> None:
    """Checks an archive's table of contents, then writes its pictures into `folder`, without subfolders.

    Args:
      archive: a .zip or .tar file; a .tar may be compressed.
      folder: an existing folder to write to.
      count: expected number of pictures.
      largest: limit for the total size of the pictures, in bytes when extracted.
      inside: folder within the archive to take the pictures from; "" for the whole archive.

    Raises:
      WrongPictures: the file is not an archive or is damaged, or it has unsafe names, links, too many bytes or a
        different number of pictures.
      UserError: there is not enough free space.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                _extract(archive.name, list(_of_zip(file)), folder, count, largest, inside)
        elif _is_tar(archive):
            with tarfile.open(archive) as file:
                _extract(archive.name, list(_of_tar(file, largest)), folder, count, largest, inside)
        else:
            with archive.open("rb") as file:
                raise WrongPictures(
                    f"{archive.name} is not a whole zip or tar archive: it begins with {file.read(15)!r}"
                )
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise WrongPictures(f"{archive.name} is damaged: {error}") from None


def _extract(archive: str, members: list[_Member], folder: pathlib.Path, count: int, largest: int, inside: str) -> None:
    for member in members:
        path = pathlib.PurePosixPath(member.name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member.name or not member.plain:
            raise WrongPictures(f"{archive} is not safe to unpack: it holds {member.name!r}")
    images = [
        member
        for member in members
        if pathlib.PurePosixPath(member.name).suffix.lower() in FORMAT_OF_SUFFIX
        and (not inside or pathlib.PurePosixPath(inside) in pathlib.PurePosixPath(member.name).parents)
        and not pathlib.PurePosixPath(member.name).name.startswith("._")  # macOS metadata
    ]
    if (total := sum(member.size for member in images)) > largest:
        raise WrongPictures(f"{archive} would unpack to {total} bytes, more than the {largest} expected at most")
    if len({pathlib.PurePosixPath(member.name).name for member in images}) != len(images) or len(images) != count:
        raise WrongPictures(f"{archive} holds {len(images)} images, not {count} of different names")
    if total > (free := shutil.disk_usage(folder).free):
        raise UserError(f"{folder.parent} has {free} bytes free, {archive} needs {total}: make room")
    for member in tqdm.tqdm(images, desc=f"unpacking {archive}", unit="image", leave=False):
        with member.open() as source, (folder / pathlib.PurePosixPath(member.name).name).open("xb") as target:
            shutil.copyfileobj(source, target)  # reads to the end, where zipfile verifies the checksum


def _of_zip(file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in file.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        plain = kind in (0, stat.S_IFREG, stat.S_IFDIR) and not info.flag_bits & 1 and info.compress_type in _USUAL
        if not info.is_dir():
            yield _Member(info.filename, info.file_size, plain, functools.partial(file.open, info))


def _of_tar(file: tarfile.TarFile, largest: int) -> Iterator[_Member]:
    total = 0
    for info in file:
        total += info.size
        if total > 4 * largest:  # a compressed tar has no table of contents: stop early at a bomb
            raise WrongPictures(f"the archive would unpack to more than {total} bytes, far more than expected")
        if not info.isdir():
            yield _Member(info.name, info.size, info.isreg(), functools.partial(_opened, file, info))


def _opened(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    source = file.extractfile(info)
    assert source is not None, "only links and folders have no content"
    return source


def _is_tar(archive: pathlib.Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except (EOFError, zlib.error):  # truncated within the compressed header
        return False
