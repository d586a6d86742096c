"""Finds the input images and chooses a distinct output file for each."""

import collections
import functools
import glob
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import FORMAT_OF_SUFFIX, OTHER_VIDEOS, is_video
from lapsrn_jax.images.io import walk
from lapsrn_jax.upscaling.record import Record

STREAM = "-"  # standard input or output


class Job(NamedTuple):
    """A picture to read and the file to write. Either may be `STREAM`."""

    source: str
    target: str


def find_jobs(
    inputs: Iterable[str], output: str, suffix: str | None = None, tag: str = ""
) -> tuple[list[Job], list[str]]:
    """Returns a job for each picture.

    A single input file becomes the file `output`, unless that is a folder. Everything else is written to the folder
    `output`: files under their names, the contents of a folder with their subfolders. Results whose names would
    collide are numbered. Earlier results among several pictures are left out, since repeated runs would enlarge them
    again and again.

    Args:
      inputs: files, folders (searched recursively for files with a supported suffix), patterns such as "*.png", or
        `STREAM`.
      output: a file, a folder or `STREAM`.
      suffix: suffix of the results, such as ".png", or None to keep that of the sources.
      tag: text between the name and the suffix of each result, such as "_x4".

    Returns:
      (jobs, left_out): the jobs, and lines that say which files and folders were left out and why.

    Raises:
      UserError: an input does not exist, a folder has no pictures, several pictures share one output file, or `tag` is
        given with an output that is not a folder.
    """
    inputs = list(inputs)
    folder = pathlib.Path(output)
    alone = len(inputs) == 1 and (inputs[0] == STREAM or pathlib.Path(inputs[0]).is_file())
    if alone and (output == STREAM or not (folder.is_dir() or output.endswith(("/", os.sep)))):
        if output == STREAM or folder.suffix:
            if tag:
                raise UserError(f"--suffix names the results in a folder, but {output} is one file: leave out --suffix")
            return [Job(inputs[0], output)], []
        if inputs[0] == STREAM:
            raise UserError(f"{output} has no suffix to tell its format. Give it a suffix, such as {output}.png")
    if STREAM in (*inputs, output):
        raise UserError("standard input and output take one picture at a time: give one input, and -o FILE or -o -")
    places, left_out = _places(inputs, folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{output} is a file: give a folder for several pictures")
    if not alone:
        results = _results(places)
        if len(results) == len(places):
            raise UserError("all of the pictures are earlier results: give one alone to enlarge it again")
        if results:
            count = f"{len(results)} earlier result{'s' * (len(results) > 1)}"
            left_out.insert(0, f"{count}, such as {min(results)}: give one alone to enlarge it again")
        places = {source: place for source, place in places.items() if source not in results}

    targets = distinct(places.values(), suffix, tag)
    return [Job(str(source), str(folder / target)) for source, target in zip(places, targets, strict=True)], left_out


def distinct(places: Iterable[pathlib.PurePath], suffix: str | None, tag: str) -> list[pathlib.PurePath]:
    """Returns a distinct place for the result of each picture. The arguments are as in `find_jobs`."""
    results, taken = [], set()
    for place in places:
        own = ".mkv" if place.suffix.lower() in OTHER_VIDEOS else place.suffix
        place = place.with_name(f"{place.stem}{tag}{suffix or own}")
        unique, number = place, 2
        while str(unique).casefold() in taken:  # some file systems treat A.png and a.png as the same file
            unique = place.with_stem(f"{place.stem}_{number}")
            number += 1
        taken.add(str(unique).casefold())
        results.append(unique)
    return results


def _places(inputs: Iterable[str], output: pathlib.Path) -> tuple[dict[pathlib.Path, pathlib.PurePath], list[str]]:
    """Finds the pictures and their places in the output folder. The rest is as in `find_jobs`."""
    places: dict[pathlib.Path, pathlib.PurePath] = {}
    other: collections.Counter[str] = collections.Counter()  # files in formats that are not supported
    links: list[pathlib.Path] = []
    for name in inputs:
        path = pathlib.Path(name)
        if path.is_dir():
            found, linked = (_outside(paths, output, path) for paths in walk(path))
            pictures = [file for file in found if file.suffix.lower() in FORMAT_OF_SUFFIX]
            if not pictures:
                looked = f"looked for {', '.join(sorted(FORMAT_OF_SUFFIX))}"
                videos = ", and give videos by name" if any(map(is_video, found)) else ""
                raise UserError(f"no pictures in {path} ({looked}){videos}")
            other.update(file.suffix.lower() or file.name for file in found)
            other.subtract(file.suffix.lower() for file in pictures)
            links += linked
            places |= {picture: picture.relative_to(path) for picture in pictures}
        elif path.exists():
            places[path] = pathlib.PurePath(path.name)
        else:
            files = [pathlib.Path(match) for match in sorted(glob.glob(name, recursive=True)) if os.path.isfile(match)]
            if not files:
                raise UserError(f"no such picture, folder or pattern of files: {name}")
            places |= {file: pathlib.PurePath(file.name) for file in files}
    left_out = [f"{link}, which is a link to a folder: give it as an input" for link in sorted(links)]
    return places, unsupported(other) + left_out


def unsupported(suffixes: collections.Counter[str]) -> list[str]:
    """Returns lines that count the files of a folder that are no pictures, by suffix; none if there are none."""
    videos, others = list[str](), list[str]()
    for suffix, count in sorted((+suffixes).items()):
        (videos if is_video(suffix) else others).append(f"{count} {suffix}")
    lines = [f"videos, which take long: {', '.join(videos)} (give them by name)"] if videos else []
    return lines + ([f"files in formats that are not supported: {', '.join(others)}"] if others else [])


def _results(paths: Iterable[pathlib.Path]) -> set[pathlib.Path]:
    """Returns those of the paths that are unchanged results, according to the records of the folders above them."""
    records = functools.cache(Record)
    return {path for path in paths if any(records(folder).made(path) for folder in path.resolve().parents)}


def _outside(paths: Iterable[pathlib.Path], output: pathlib.Path, folder: pathlib.Path) -> list[pathlib.Path]:
    """Sorts the paths and drops those in `output`, if that is a folder below `folder`."""
    inside = output.resolve()
    if folder.resolve() not in inside.parents or inside.is_file():  # a file is refused later, by name
        return sorted(paths)
    return sorted(path for path in paths if not path.resolve().is_relative_to(inside))
