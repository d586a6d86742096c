"""Scores a model during training on photographs that it does not train on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lapsrn_jax.data.sources import Picture
from lapsrn_jax.evaluation.figures import comparison
from lapsrn_jax.evaluation.protocol import Protocol, bicubic
from lapsrn_jax.evaluation.scoring import evaluate, score_picture, too_small
from lapsrn_jax.models import SuperResolver
from lapsrn_jax.training.distributed import is_primary
from lapsrn_jax.upscaling.upscale import Upscaler

PICTURES = 2  # figures per scale


class Validation:
    """Computes PSNR by protocol A and draws comparison figures.

    Args:
      model: any of `lapsrn_jax.models`.
      pictures: the photographs; may be empty. Those too small to be scored are named and left out.
      scales: the scales to score.

    Raises:
      UserError: a photograph is damaged.
    """

    def __init__(self, model: SuperResolver, pictures: Sequence[Picture], scales: Sequence[int]) -> None:
        small = [picture for picture in pictures if too_small(picture.read(), max(scales))]  # a damaged one fails now
        self.pictures = [picture for picture in pictures if picture not in small]
        if small and is_primary():
            names = ", ".join(picture.name for picture in small)
            print(f"left out of the validation, too small to be scored at x{max(scales)}: {names}", flush=True)
        self._model, self._scales, self._protocol = model, scales, Protocol()

    def __call__(self, params: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Returns the mean PSNR in dB as {"psnr_x2": ...}, and figures of some photographs by name, uint8 [H, W, 3]."""
        upscale = Upscaler(self._model, params)
        records = evaluate({"model": upscale}, {"validation": self.pictures}, self._scales, self._protocol)
        figures = {}
        for scale in self._scales:
            for picture in self.pictures[:PICTURES]:
                example = score_picture(picture, {"bicubic": bicubic, "model": upscale}, scale, self._protocol)
                figures[f"{example.name}_x{scale}"] = comparison([example], scale)
        return {f"psnr_x{record['scale']}": record["psnr"] for record in records}, figures
