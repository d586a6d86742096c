"""Speed and memory benchmarks, with candidates timed in turns. Run `python -m benchmarks.NAME`."""
