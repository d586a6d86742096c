"""Options that several commands share, and the types of their values."""

import argparse
import re


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


def add_network(parser: argparse._ActionsContainer) -> None:
    """Adds `--weights`, for a single network."""
    parser.add_argument(
        "--weights", default="cms-lapsrn", help="%(default)s, a run folder, a .safetensors or an authors' .mat file"
    )


def add_networks(parser: argparse._ActionsContainer) -> None:
    """Adds `--weights`, for several networks, each with its name."""
    parser.add_argument(
        "--weights", nargs="+", default=["CMS-LapSRN=cms-lapsrn", "MS-LapSRN=ms-lapsrn"], metavar="NAME=PATH",
        help="a network by the name it shall have: a run folder, a .safetensors or an authors' .mat file, or (default) "
        "cms-lapsrn and ms-lapsrn, which come with the package",
    )  # fmt: skip
