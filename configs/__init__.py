"""Training runs: `python train.py --config configs/NAME.py`. Each file is a few changes to `default.py`."""
