"""The command `lapsrn upscale` and the files that it leaves."""

import pathlib

from lapsrn_jax.cli import main


def upscale(*arguments: object) -> int:
    """Runs the command and returns its exit status."""
    try:
        main(["upscale", *map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def snapshot(folder: pathlib.Path) -> dict[str, bytes]:
    """Returns the content of each file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
