"""Trains a network: python train.py --config configs/cms_x4.py, the same as `lapsrn train`."""

import sys

from lapsrn_jax.cli import command

if __name__ == "__main__":
    command(["train", *sys.argv[1:]])
