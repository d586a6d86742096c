"""Configs of training runs, for `python train.py --config configs/NAME.py`. Each changes some of `default.py`."""
