"""Speed, side by side, measured in turns: `python -m benchmarks.NAME`."""
