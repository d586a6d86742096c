"""Exports trained networks to formats that other programs read."""

import os
import pathlib
from typing import Any

from lapsrn_jax.errors import UserError
from lapsrn_jax.files import atomic_write
from lapsrn_jax.models import LapSRN, Pyramid, SuperResolver
from lapsrn_jax.models.layers import check_scale


def export_model(
    path: str | os.PathLike[str],
    model: SuperResolver,
    params: Any,
    scale: int,
    info: dict[str, Any],
    *,
    winograd: bool = False,
) -> None:
    """Writes a network that enlarges luminance by `scale` as ONNX (.onnx) or StableHLO (.stablehlo).

    Args:
      path: the file, which appears only when complete; its suffix selects the format.
      model: a `Pyramid` or a `LapSRN`.
      params: its parameters.
      scale: one of the model's scales.
      info: JSON-ready description of the weights' origin, which ONNX stores and StableHLO cannot.
      winograd: write the convolutions of an ONNX file by Winograd's method, which is faster in WebAssembly.

    Raises:
      UserError: the suffix is unknown or does not go with `winograd`, the model does not support the scale, or a
        package is not installed.
    """
    path = pathlib.Path(path)
    if path.suffix not in (".onnx", ".stablehlo"):
        raise UserError(f"{path}: networks are exported as .onnx or .stablehlo")
    if winograd and path.suffix != ".onnx":
        raise UserError(f"{path}: only .onnx files can have Winograd's convolutions")
    if not isinstance(model, Pyramid | LapSRN):
        raise UserError("only the pyramids, LapSRN, MS-LapSRN and CMS-LapSRN, can be exported")
    check_scale(scale, model.scales)
    try:
        if path.suffix == ".onnx":
            from lapsrn_jax.export.onnx import onnx_model

            content: bytes | bytearray = onnx_model(model, params, scale, info, winograd=winograd)
        else:
            from lapsrn_jax.export.stablehlo import stablehlo_model

            content = stablehlo_model(model, params, scale)
    except ImportError as error:
        raise UserError(f"cannot write {path.suffix} ({error}): pip install '.[export]'") from None
    with atomic_write(path) as partial:
        partial.write_bytes(content)
