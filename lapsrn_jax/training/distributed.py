"""Runs of several processes: starting JAX's distributed runtime, and what the processes must agree on."""

import contextlib
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from lapsrn_jax.errors import UserError


def start_processes(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Connects this process to the others of its run. Call it before anything touches a device.

    Args:
      coordinator: HOST:PORT of process 0. If None, JAX detects all three arguments on Slurm, Open MPI, Kubernetes and
        TPUs.
      processes: number of processes.
      process: index of this process, from 0.

    Raises:
      UserError: the other processes cannot be reached, or JAX does not detect a cluster.
    """
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"cannot start a run of several processes ({reason}): on a cluster that JAX does not know, pass "
            "--coordinator HOST:PORT --processes N --process I"
        ) from None


def is_primary() -> bool:
    """Whether this process logs, validates and writes all files but the checkpoints."""
    return jax.process_index() == 0


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Synchronises all processes at the end of a block. If the block fails in one process, it fails in all of them.

    Raises:
      UserError: the block failed in another process.
    """
    if jax.process_count() == 1:
        yield
        return
    error: Exception | None = None
    try:
        yield
    except Exception as caught:
        error = caught
    failed = np.flatnonzero(multihost_utils.process_allgather(np.asarray(error is not None)))
    if error is not None:
        raise error
    if failed.size:
        raise UserError(f"process {failed[0]} failed: see its message")


def any_process(flag: bool) -> bool:
    """Whether `flag` is true in any process. All processes must call it at the same step."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))
