"""The `lapsrn` command: one file for each of its commands."""

import argparse

from lapsrn_jax.cli import export, figure, prepare, tables, upscale
from lapsrn_jax.errors import reported


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line (the process's own if `arguments` is None) and runs the command."""
    parser = argparse.ArgumentParser(prog="lapsrn", description="Laplacian-pyramid super-resolution.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (upscale, export, prepare, tables, figure):
        command.add_to(commands)
    options = parser.parse_args(arguments)
    with reported():
        options.run(options)
