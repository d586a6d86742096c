"""Scores a network on folders of photographs: python evaluate.py --ckpt runs/cms_x4 --data data/Set5 --scales 4."""

import json
import pathlib

from absl import flags

from lapsrn_jax.errors import UserError, run_with_flags

_CKPT = flags.DEFINE_string(
    "ckpt", None, "A run folder, a .safetensors file of weights, or an authors' .mat file.", required=True
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
    from lapsrn_jax.data.sources import BUNDLED, evaluation_paths  # JAX starts after the flags are read
    from lapsrn_jax.evaluation.benchmark import evaluate
    from lapsrn_jax.evaluation.protocol import Protocol, Upscale, bicubic
    from lapsrn_jax.evaluation.tables import text_table
    from lapsrn_jax.upscaling.upscale import Upscaler
    from lapsrn_jax.weights.files import load_weights

    if not all(scale.isdigit() and int(scale) > 1 for scale in _SCALES.value):
        raise UserError(f"--scales takes whole numbers above 1, separated by commas; got {','.join(_SCALES.value)}")
    model, params, _ = load_weights(_CKPT.value)
    name = pathlib.Path(_CKPT.value).resolve().stem
    sets = {
        BUNDLED if source == BUNDLED else pathlib.Path(source).resolve().name: evaluation_paths(source)
        for source in _DATA.value
    }
    networks: dict[str, Upscale] = {"bicubic": bicubic, name: Upscaler(model, params)}
    scales = [int(scale) for scale in _SCALES.value]
    protocol = Protocol(_PROTOCOL.value, _GRAY_AS_RGB.value)
    records = evaluate(networks, sets, scales, protocol, _SAVE_IMAGES.value)
    print(text_table(records))
    if _JSON.value:
        pathlib.Path(_JSON.value).write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    run_with_flags(main)
