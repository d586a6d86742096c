"""The free memory of this machine, or of the container that this process runs in."""

import pathlib

_UNKNOWN = 4 * 2**30  # bytes; most computers have this much to spare


def free_memory(root: pathlib.Path = pathlib.Path("/")) -> int:
    """Returns the number of free bytes of main memory, at most those that the process's control groups leave.

    Args:
      root: the folder that contains proc and sys.
    """
    try:
        free = 1024 * _field(root / "proc" / "meminfo", "MemAvailable:")
    except (OSError, StopIteration):  # not Linux
        return _UNKNOWN
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return free
    for line in lines:  # such as 0::/user.slice, or 4:memory:/docker/0123 in the first version
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            # A container may see its own group at the top instead of at the path.
            for place in (pathlib.PurePosixPath(path), *pathlib.PurePosixPath(path).parents):
                left = _left(root / "sys" / "fs" / "cgroup" / controllers / str(place).lstrip("/"))
                free = free if left is None else min(free, left)
    return max(free, 0)


def _left(group: pathlib.Path) -> int | None:
    """Returns the bytes that a control group may still take; None if it has no limit."""
    for limit, usage, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, taken = int((group / limit).read_text()), int((group / usage).read_text())
            return most - taken + _field(group / "memory.stat", cached)  # the kernel drops cached files when asked
        except (OSError, ValueError, StopIteration):  # the other version, "max", or not readable
            continue
    return None


def _field(path: pathlib.Path, name: str) -> int:
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{name} "))
