"""Huge pages for the memory of a command: a quarter to a half more speed on a CPU, without anything to set up.

XLA allocates and frees large arrays in every step. By default, glibc takes them from the kernel and returns them each
time, in pages of 4 KiB that the kernel clears one by one. Its tunables make it keep the memory, in pages of 2 MiB. They
count only if they are set before a process starts, so a command restarts itself once.
"""

import os
import pathlib
import sys

VARIABLE = "GLIBC_TUNABLES"
TUNABLES = {
    "glibc.malloc.hugetlb": 1,  # madvise(MADV_HUGEPAGE)
    "glibc.malloc.mmap_threshold": 8 * 2**30,  # smaller arrays come from the heap, ...
    "glibc.malloc.trim_threshold": 16 * 2**30,  # ... which keeps what is freed
    "glibc.malloc.arena_max": 1,  # other heaps, for threads, are too small for such arrays
}
_ENABLED = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_huge_pages() -> None:
    """Replaces this process by the same command with huge pages, on Linux, if nothing speaks against it.

    It does nothing where `GLIBC_TUNABLES` is set already, where the kernel has no huge pages to give, or where there is
    an NVIDIA GPU to compute on. Only commands may call it: a program that imports this package keeps its memory as is.
    """
    if sys.platform != "linux" or VARIABLE in os.environ or pathlib.Path("/dev/nvidia0").exists():
        return
    try:
        if "[never]" in _ENABLED.read_text():
            return
    except OSError:
        return
    os.environ[VARIABLE] = ":".join(f"{name}={value}" for name, value in TUNABLES.items())
    if sys.stdout:  # None if it is closed
        sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)
