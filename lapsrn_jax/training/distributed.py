"""Several processes, one run: JAX's own distributed runtime, and the little that they must agree on."""

import jax
import numpy as np
from jax.experimental import multihost_utils

from lapsrn_jax.errors import UserError


def start_processes(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Joins this process to the others of its run; call it before anything touches a device.

    Args:
      coordinator: HOST:PORT of process 0; None leaves all three to JAX, which knows Slurm, Open MPI, Kubernetes, TPUs.
      processes: how many there are.
      process: which one this is, from 0.

    Raises:
      UserError: the others cannot be reached, or JAX finds no cluster to ask.
    """
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"cannot start a run of several processes ({reason}): on a cluster that JAX does not know, give "
            "--coordinator HOST:PORT --processes N --process I"
        ) from None


def is_primary() -> bool:
    """Whether this is the process that logs, validates and writes what is not a checkpoint."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Waits until all processes are here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def any_process(flag: bool) -> bool:
    """Whether `flag` holds in any process; all must ask at the same step."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.asarray(flag))))
