"""`python -m lapsrn_jax.cli` is the `lapsrn` command."""

from lapsrn_jax.cli import command

command()
