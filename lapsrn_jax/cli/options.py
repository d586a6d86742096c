"""Options that several commands share.

List options accept values separated by commas or spaces, and may be repeated.
"""

import argparse
import pathlib
import re
from collections.abc import Callable
from typing import Any, NoReturn

from lapsrn_jax.errors import UserError

NETWORK = (
    "cms-lapsrn, cms-lapsrn-photo or ms-lapsrn (included), a run folder, a .safetensors file, or a .mat file of the "
    "LapSRN authors"
)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that reports a wrong command line as a one-line `UserError`, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raises `UserError`. Called by argparse."""
        raise UserError(f"{message} (see {self.prog} --help)")


class _List(argparse.Action):
    """Collects the values of a list option. The first use replaces the default."""

    def __init__(self, *args: Any, item: Callable[[str], Any] = str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"nargs": "+"})
        self._item = item

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        items = [self._item(part) for value in values for part in value.split(",")]
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, items if given is self.default else given + items)


def count(text: str) -> int:
    """Parses a number of pixels, 1 or more."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels, such as 1920")
    return int(text)


def memory(text: str) -> int:
    """Parses an amount of memory, such as "500M" or "2G", to bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of memory, such as 500M or 2G")
    return int(float(match[1]) * 2 ** (10 * " KMGT".index(match[2].upper() or " ")))


def pixels(text: str) -> int:
    """Parses a number of pixels, 1 or more, such as "500M" for 500 million."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(M?)", text, re.IGNORECASE)
    number = int(float(match[1]) * (10**6 if match[2] else 1)) if match else 0
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels, such as 500M")
    return number


def quality(text: str) -> int:
    """Parses the quality of a lossy format, from 1 to 100."""
    return _between(text, 1, 100, "quality")


def rate_factor(text: str) -> int:
    """Parses the constant rate factor of a video encoder, from 0 to 63."""
    return _between(text, 0, 63, "constant rate factor")


def _between(text: str, low: int, high: int, name: str) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a {name} from {low} to {high}")
    return int(text)


def colour(text: str) -> tuple[int, int, int]:
    """Parses a colour, such as "white", "#ff8000" or "rgb(255, 128, 0)"."""
    import PIL.ImageColor

    try:
        red, green, blue, *_ = PIL.ImageColor.getrgb(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a colour, such as white or #ff8000") from None
    return red, green, blue


def _scale(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise UserError(f"--scales takes whole numbers above 1, separated by commas; got {text!r}")
    return int(text)


def add_network(parser: argparse._ActionsContainer, default: str = "cms-lapsrn", choice: str = NETWORK) -> None:
    """Adds `--weights` (alias `--ckpt`): one network."""
    parser.add_argument("--weights", "--ckpt", default=default, metavar="PATH", help=f"{choice} (default: %(default)s)")


def add_networks(parser: argparse._ActionsContainer, default: list[str] | None = None) -> None:
    """Adds `--ckpt` (alias `--weights`): one or more networks, required unless there is a default."""
    parser.add_argument(
        "--ckpt", "--weights", dest="weights", action=_List, default=default, required=default is None,
        metavar="[NAME=]PATH", help=f"one or more networks, each with an optional name: {NETWORK}"
        + (f" (default: {' '.join(default)})" if default else ""),
    )  # fmt: skip


def add_scoring(parser: argparse._ActionsContainer) -> None:
    """Adds `--data`, `--scales` and `--protocol`."""
    parser.add_argument(
        "--data", action=_List, required=True, metavar="FOLDER",
        help="folders of photographs or benchmark sets (Set5, ...), div2k:FOLDER, or bundled (three photographs)",
    )  # fmt: skip
    parser.add_argument(
        "--scales",
        action=_List,
        item=_scale,
        default=[2, 4, 8],
        metavar="SCALE",
        help="scales to score (default: 2,4,8)",
    )
    parser.add_argument("--protocol", choices=("A", "B"), default="A",
                        help="B rounds the low-resolution images to 8 bits, A does not (default: A)")  # fmt: skip


def add_json(parser: argparse._ActionsContainer, content: str) -> None:
    """Adds `--json`: a file for the results."""
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help=f"write {content} to this file")


def check_output(*paths: pathlib.Path | None) -> None:
    """Raises `UserError` unless files can be written to the paths, so that hours of work are not lost."""
    for path in paths:
        if path is not None and (path.is_dir() or not path.resolve().parent.is_dir()):
            raise UserError(f"cannot write {path}: its folder does not exist, or it is a folder itself")
