"""Finds the input images and chooses a distinct output file for each."""

import glob
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import FORMAT_OF_SUFFIX

STREAM = "-"  # standard input or output


class Job(NamedTuple):
    """A picture to read and the file to write. Either may be `STREAM`."""

    source: str
    target: str


def find_jobs(inputs: Iterable[str], output: str, suffix: str | None = None) -> list[Job]:
    """Returns a job for each picture.

    A single input file becomes the file `output`, unless that is a folder. Everything else is written to the folder
    `output`: files under their names, the contents of a folder with their subfolders. Results whose names would
    collide are numbered.

    Args:
      inputs: files, folders (searched recursively for files with a supported suffix), patterns such as "*.png", or
        `STREAM`.
      output: a file, a folder or `STREAM`.
      suffix: suffix of the results, such as ".png", or None to keep that of the sources.

    Raises:
      UserError: an input does not exist, a folder has no pictures, or several pictures share one output file.
    """
    inputs = list(inputs)
    folder = pathlib.Path(output)
    alone = len(inputs) == 1 and (inputs[0] == STREAM or pathlib.Path(inputs[0]).is_file())
    if alone and (output == STREAM or not (folder.is_dir() or output.endswith(("/", os.sep)))):
        if output == STREAM or folder.suffix:
            return [Job(inputs[0], output)]
        if inputs[0] == STREAM:
            raise UserError(f"{output} has no suffix to tell its format. Give it a suffix, such as {output}.png")
    if STREAM in (*inputs, output):
        raise UserError("standard input and output take one picture at a time: give one input, and -o FILE or -o -")
    places: list[tuple[pathlib.Path, pathlib.PurePath]] = []
    for name in inputs:
        path = pathlib.Path(name)
        if path.is_dir():
            found = _pictures(path, folder)
            if not found:
                raise UserError(f"no pictures in {path} (looked for {', '.join(sorted(FORMAT_OF_SUFFIX))})")
            places += [(picture, picture.relative_to(path)) for picture in found]
        elif path.exists():
            places.append((path, pathlib.PurePath(path.name)))
        else:
            files = [pathlib.Path(match) for match in sorted(glob.glob(name, recursive=True)) if os.path.isfile(match)]
            if not files:
                raise UserError(f"no such picture, folder or pattern of files: {name}")
            places += [(file, pathlib.PurePath(file.name)) for file in files]

    if folder.exists() and not folder.is_dir():
        raise UserError(f"{output} is a file: give a folder for several pictures")

    jobs, taken = [], set()
    for source, place in dict(places).items():
        place = place.with_suffix(suffix or source.suffix)
        unique, number = place, 2
        while str(unique).casefold() in taken:  # some file systems treat A.png and a.png as the same file
            unique = place.with_stem(f"{place.stem}_{number}")
            number += 1
        taken.add(str(unique).casefold())
        jobs.append(Job(str(source), str(folder / unique)))
    return jobs


def _pictures(folder: pathlib.Path, output: pathlib.Path) -> list[pathlib.Path]:
    """Returns the pictures below `folder`, without those below `output` if that is a subfolder."""
    inside = output.resolve()
    skip = inside if output.is_dir() and inside != folder.resolve() else None
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in FORMAT_OF_SUFFIX
        and path.is_file()
        and not (skip and path.resolve().is_relative_to(skip))
    )
