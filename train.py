"""Trains a network: python train.py --config configs/cms_x4.py, the same as `lapsrn train`."""

import sys

from lapsrn_jax.cli import main
from lapsrn_jax.hugepages import restart_with_huge_pages

if __name__ == "__main__":
    restart_with_huge_pages()
    main(["train", *sys.argv[1:]])
