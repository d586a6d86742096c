"""The free memory of a machine and of a container, from files like those of Linux."""

import pytest

from lapsrn_jax.upscaling.memory import free_memory

MEBIBYTE = 2**20


def system(root, cgroup, **groups):
    """Writes the files of a machine with 5000 MiB of free memory. A control group has (limit, usage, cached files)."""
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "meminfo").write_text(
        f"MemTotal:  9000000 kB\nMemFree:   10 kB\nMemAvailable:   {5000 * 1024} kB\nSwapTotal:  7 kB\n"
    )
    (root / "proc" / "self" / "cgroup").write_text(cgroup)
    first = "memory:" in cgroup
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if first else ("memory.max", "memory.current")
    for path, (limit, usage, cached) in groups.items():
        folder = root / "sys" / "fs" / "cgroup" / ("memory" if first else "") / path.strip("_").replace("_", "/")
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in zip(names, (limit, usage), strict=True):
            (folder / name).write_text(f"{value if isinstance(value, str) else value * MEBIBYTE}\n")
        cache = f"{'total_' * first}inactive_file {cached * MEBIBYTE}\n"
        (folder / "memory.stat").write_text(f"anon 5\ninactive_anon 7\n{cache}")
    return free_memory(root) / MEBIBYTE


@pytest.mark.parametrize(("cgroup", "groups", "free"), [
    ("0::/a/b\n", {}, 5000),
    ("0::/a/b\n", {"a_b": ("max", 10, 0)}, 5000),
    ("0::/a/b\n", {"a_b": (600, 100, 0)}, 500),
    ("0::/a/b\n", {"a_b": (600, 100, 40)}, 540),
    ("0::/a/b\n", {"a_b": ("max", 10, 0), "a": (700, 100, 0)}, 600),
    ("0::/a/b\n", {"a_b": (9000, 10, 0)}, 5000),
    ("0::/a/b\n", {"a_b": (100, 200, 0)}, 0),
    ("0::/\n", {"_": (300, 100, 0)}, 200),
    ("5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n", {"docker_1": (300, 100, 50)}, 250),
    ("4:memory:/docker/1\n0::/\n", {"_": (400, 100, 50)}, 350),  # seen from inside
    ("4:memory:/x\n", {"x": (2**43, 100, 0)}, 5000),
])  # fmt: skip
def test_a_container_has_what_its_groups_leave(tmp_path, cgroup, groups, free):
    assert system(tmp_path, cgroup, **groups) == free


def test_a_machine_without_these_files(tmp_path):
    assert free_memory(tmp_path) == 4 * 2**30
    system(tmp_path, "")
    (tmp_path / "proc" / "self" / "cgroup").unlink()
    assert free_memory(tmp_path) == 5000 * MEBIBYTE


def test_this_machine_has_some():
    assert free_memory() > 0
