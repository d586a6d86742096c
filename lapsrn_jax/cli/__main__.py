"""Makes `python -m lapsrn_jax.cli` the same as `lapsrn`."""

from lapsrn_jax.cli import command

command()
