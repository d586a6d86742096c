"""The memory of a process, as Linux reports it."""

import pathlib


def memory(value: str = "VmRSS", process: int | str = "self") -> float:
    """Returns the resident memory of a process in GiB, or with `VmHWM` its peak; 0 if the process has ended."""
    try:
        lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith(value)), 0.0)
