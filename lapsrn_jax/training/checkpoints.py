"""Saving and restoring the training state with orbax. The only file that imports it."""

import pathlib
import types

import jax
import orbax.checkpoint as ocp

from lapsrn_jax.errors import UserError
from lapsrn_jax.training.state import TrainState


class Checkpoints:
    """The checkpoints of one run, in a folder; a context manager, since saving goes on in the background.

    Args:
      folder: created if missing.
      keep: how many of the newest checkpoints stay.
    """

    def __init__(self, folder: pathlib.Path, keep: int) -> None:
        options = ocp.CheckpointManagerOptions(max_to_keep=keep)
        self._manager = ocp.CheckpointManager(folder.resolve(), options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self._manager.close()  # waits for the last save

    @property
    def latest_step(self) -> int | None:
        """The step of the newest complete checkpoint."""
        return self._manager.latest_step()

    def save(self, state: TrainState) -> None:
        """Begins to save; the state may be used at once, and changed."""
        self._manager.save(int(state.step), args=ocp.args.StandardSave(state))

    def restore(self, like: TrainState) -> TrainState:
        """The newest checkpoint, with the shapes and the placement of `like`.

        Raises:
          UserError: it does not fit `like`.
        """
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        try:
            return self._manager.restore(self.latest_step, args=ocp.args.StandardRestore(abstract))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"the checkpoint {self._manager.directory / str(self.latest_step)} is of another model: "
                f"{str(error).splitlines()[0]}"
            ) from None
