"""Scores of a model in training, on photographs that it does not train on."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import numpy as np

from lapsrn_jax.data.sources import evaluation_paths
from lapsrn_jax.evaluation.benchmark import evaluate, read_checked
from lapsrn_jax.evaluation.figures import comparison, telling_crop
from lapsrn_jax.evaluation.protocol import Protocol, bicubic
from lapsrn_jax.images.io import read_image, to_uint8
from lapsrn_jax.upscaling.upscale import Upscaler

PICTURES = 2  # as many figures a scale


class Validation:
    """PSNR by protocol A, and comparison figures.

    Args:
      model: any of `lapsrn_jax.models`.
      sources: of the photographs, separated by commas, each as for `evaluation_paths`; "" for none.
      scales: to score.

    Raises:
      UserError: no such photographs.
    """

    def __init__(self, model: nn.Module, sources: str, scales: Sequence[int]) -> None:
        self.paths = [path for source in sources.split(",") for path in evaluation_paths(source)] if sources else []
        for path in self.paths:
            read_checked(path, max(scales))  # better now than at the first checkpoint
        self._model, self._scales, self._protocol = model, scales, Protocol()

    def __call__(self, params: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Mean PSNR in dB as {"psnr_x2": ...}, and figures of the first photographs by name, uint8 [H, W, 3]."""
        upscale = Upscaler(self._model, params)
        records = evaluate({"model": upscale}, {"validation": self.paths}, self._scales, self._protocol)
        figures = {}
        for scale in self._scales:
            for path in self.paths[:PICTURES]:
                hr, lr = self._protocol.degrade(read_image(path), scale)
                results = {"bicubic": to_uint8(bicubic(lr, scale)), "model": to_uint8(upscale(lr, scale))}
                crop = telling_crop(results["bicubic"], results["model"], hr)
                figures[f"{path.stem}_x{scale}"] = comparison(hr, results, {}, crop)
        return {f"psnr_x{record['scale']}": record["psnr"] for record in records}, figures
