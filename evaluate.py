"""Scores a network on folders of photographs: python evaluate.py --ckpt runs/cms_x4 --data data/Set5 --scales 4."""

import json
import math
import pathlib

from absl import flags

from lapsrn_jax.errors import UserError, run_with_flags

_CKPT = flags.DEFINE_string(
    "ckpt",
    None,
    "A run folder, a .safetensors file of weights, an authors' .mat file, or cms-lapsrn or ms-lapsrn.",
    required=True,
)
_DATA = flags.DEFINE_list(
    "data",
    None,
    "Folders of photographs, each one set, separated by commas; or bundled, three photographs kept from training.",
    required=True,
)
_SCALES = flags.DEFINE_list("scales", ["2", "4", "8"], "Scales to score, separated by commas.")
_PROTOCOL = flags.DEFINE_enum("protocol", "A", ["A", "B"], "B rounds the low-resolution image to 8 bits; A does not.")
_GRAY_AS_RGB = flags.DEFINE_bool("gray_as_rgb", False, "Score gray photographs on the luminance of their RGB.")
_SAVE_IMAGES = flags.DEFINE_string("save_images", None, "Folder for the enlarged pictures and comparisons.")
_JSON = flags.DEFINE_string("json", None, "File for the scores, as a list of records.")


def main() -> None:
    """Reads the flags, scores, prints the table."""
    from lapsrn_jax.data.sources import BUNDLED, Picture, evaluation_pictures  # JAX starts after the flags are read
    from lapsrn_jax.evaluation.protocol import Protocol, Upscale, bicubic
    from lapsrn_jax.evaluation.scoring import evaluate
    from lapsrn_jax.evaluation.tables import text_table
    from lapsrn_jax.upscaling.upscale import Upscaler
    from lapsrn_jax.weights.files import load_weights

    if not _SCALES.value or not all(scale.isdecimal() and int(scale) > 1 for scale in _SCALES.value):
        raise UserError(f"--scales takes whole numbers above 1, separated by commas; got {','.join(_SCALES.value)!r}")
    scales = [int(scale) for scale in _SCALES.value]
    if _JSON.value and not pathlib.Path(_JSON.value).resolve().parent.is_dir():
        raise UserError(f"--json {_JSON.value}: there is no such folder to write it to")

    ckpt = pathlib.Path(_CKPT.value)
    name = ckpt.resolve().name if ckpt.is_dir() else ckpt.stem
    if name == "bicubic":
        raise UserError(f"{ckpt} would be called bicubic in the table, as the baseline is: rename it")
    network = Upscaler(*load_weights(ckpt))
    for scale in scales:
        network.check(scale)
    sets: dict[str, list[Picture]] = {}
    for source in _DATA.value:
        set_name = BUNDLED if source == BUNDLED else pathlib.Path(source).resolve().name
        if set_name in sets:
            raise UserError(f"two sets of --data are named {set_name}: score them one after the other")
        sets[set_name] = evaluation_pictures(source)
    if not sets:
        raise UserError("--data names no folder of photographs")

    networks: dict[str, Upscale] = {"bicubic": bicubic, name: network}
    protocol = Protocol(_PROTOCOL.value, _GRAY_AS_RGB.value)
    records = evaluate(networks, sets, scales, protocol, _SAVE_IMAGES.value)
    print(text_table(records))
    if _JSON.value:
        finite = [{k: None if v in (math.inf, -math.inf) else v for k, v in record.items()} for record in records]
        pathlib.Path(_JSON.value).write_text(json.dumps(finite, indent=2) + "\n")


if __name__ == "__main__":
    run_with_flags(main)
