"""Scores networks: python evaluate.py --ckpt runs/cms_x4 --data data/Set5 --scales 4, the same as `lapsrn evaluate`."""

import sys

from lapsrn_jax.cli import command

if __name__ == "__main__":
    command(["evaluate", *sys.argv[1:]])
