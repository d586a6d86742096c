"""Options that several commands share, and how their values are read.

Every option that takes a list takes it with commas, with spaces, or as the option repeated.
"""

import argparse
import pathlib
import re
from collections.abc import Callable
from typing import Any, NoReturn

from lapsrn_jax.errors import UserError

NETWORK = "cms-lapsrn or ms-lapsrn, which come with the package; a run folder; a .safetensors or an authors' .mat file"


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that reports a wrong command line as a `UserError`, in one line and without the usage."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse."""
        raise UserError(f"{message} (see {self.prog} --help)")


class _List(argparse.Action):
    """Gathers the values of a list option; the first use replaces the default."""

    def __init__(self, *args: Any, item: Callable[[str], Any] = str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"nargs": "+"})
        self._item = item

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        items = [self._item(part) for value in values for part in value.split(",")]
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, items if given is self.default else given + items)


def count(text: str) -> int:
    """The type of a whole number of pixels."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of pixels")
    return int(text)


def memory(text: str) -> int:
    """The type of an amount of memory, such as "500M" or "2G": bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of memory, such as 500M or 2G")
    return int(float(match[1]) * 2 ** (10 * " KMGT".index(match[2].upper() or " ")))


def _scale(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise UserError(f"--scales takes whole numbers above 1, separated by commas; got {text!r}")
    return int(text)


def add_network(parser: argparse._ActionsContainer) -> None:
    """Adds `--weights`, also called `--ckpt`: a single network, by default the package's."""
    parser.add_argument(
        "--weights", "--ckpt", default="cms-lapsrn", metavar="PATH", help=f"{NETWORK} (default: %(default)s)"
    )


def add_networks(parser: argparse._ActionsContainer, default: list[str] | None = None) -> None:
    """Adds `--ckpt`, also called `--weights`: one network or several; required if there is no default."""
    parser.add_argument(
        "--ckpt", "--weights", dest="weights", action=_List, default=default, required=default is None,
        metavar="[NAME=]PATH", help=f"one network or several, each with a name if you like: {NETWORK}"
        + (f" (default: {' '.join(default)})" if default else ""),
    )  # fmt: skip


def add_scoring(parser: argparse._ActionsContainer) -> None:
    """Adds what scoring is about: `--data`, `--scales` and `--protocol`."""
    parser.add_argument(
        "--data", action=_List, required=True, metavar="FOLDER",
        help="photographs: each folder is a set, or holds Set5, Set14, ...; or bundled, three kept from training",
    )  # fmt: skip
    parser.add_argument(
        "--scales", action=_List, item=_scale, default=[2, 4, 8], metavar="SCALE", help="to score (default: 2,4,8)"
    )
    parser.add_argument("--protocol", choices=("A", "B"), default="A",
                        help="B rounds the low-resolution image to 8 bits, A does not (default: A)")  # fmt: skip


def add_json(parser: argparse._ActionsContainer, content: str) -> None:
    """Adds `--json`, a file for what the command found."""
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help=f"also write {content} to this file")


def check_output(*paths: pathlib.Path | None) -> None:
    """Raises `UserError` unless files can be written to the paths: to be asked before the hours of work."""
    for path in paths:
        if path is not None and (path.is_dir() or not path.resolve().parent.is_dir()):
            raise UserError(f"cannot write {path}: there is no such folder, or it is a folder itself")
