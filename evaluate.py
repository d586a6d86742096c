"""Scores networks: python evaluate.py --ckpt runs/cms_x4 --data data/Set5 --scales 4, the same as `lapsrn evaluate`."""

import sys

from lapsrn_jax.cli import main
from lapsrn_jax.hugepages import restart_with_huge_pages

if __name__ == "__main__":
    restart_with_huge_pages()
    main(["evaluate", *sys.argv[1:]])
