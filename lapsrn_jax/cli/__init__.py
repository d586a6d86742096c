"""The `lapsrn` command. Each of its subcommands has its own file."""

import io
import os
import sys

from lapsrn_jax.cli import cache, evaluate, export, figure, prepare, tables, train, upscale, web
from lapsrn_jax.cli.options import Parser
from lapsrn_jax.errors import reported
from lapsrn_jax.hugepages import restart_with_huge_pages


def command(arguments: list[str] | None = None) -> None:
    """The `lapsrn` command as a process of its own, with `arguments` as in `main`."""
    _prepare_streams()
    restart_with_huge_pages()
    main(arguments)


def _prepare_streams() -> None:
    """Keeps closed and strict standard streams from ending the command."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is None:
            os.open(os.devnull, os.O_RDWR)  # takes the number, so that no picture has that of stderr
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be text


def main(arguments: list[str] | None = None) -> None:
    """Parses `arguments`, or the process's command line if None, and runs the command."""
    parser = Parser(prog="lapsrn", description="Laplacian-pyramid super-resolution.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (upscale, train, evaluate, tables, figure, export, web, prepare, cache):
        module.add_to(commands)
    with reported():
        options, overrides = parser.parse_known_args(arguments)
        if options.run is train.run:
            options.overrides = overrides
        elif overrides:
            parser.error(f"unrecognized arguments: {' '.join(overrides)}")
        options.run(options)
