"""Scores trained weights and adds them to the package, for their model card.

    python -m tools.release runs/weights_cms_r4b/weights.safetensors cms-lapsrn --data data/Set5,data/Set14

writes lapsrn_jax/weights/cms-lapsrn.safetensors, whose metadata include its training and its scores. It prints the
scores by protocol A (for Set14 also with its gray picture read as RGB) and, for small sets, by protocol B. It refuses
weights that are unstable (see stability.py).
"""

import argparse
import importlib.metadata
import pathlib

from lapsrn_jax.data.sources import evaluation_pictures
from lapsrn_jax.errors import UserError, reported
from lapsrn_jax.evaluation.protocol import Protocol
from lapsrn_jax.evaluation.scoring import evaluate
from lapsrn_jax.evaluation.tables import text_table
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights import files
from tools.stability import LIMIT, excess

SCALES = (2, 4, 8)
SMALL = 20  # sets of up to this many pictures are also scored by protocol B; BSD100 would take very long


def main() -> None:
    """Scores the weights, writes the file and prints the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path, help="the weights file of the run")
    parser.add_argument("name", help="the name of the weights in the package")
    parser.add_argument("--data", required=True, help="folders of the benchmark sets, separated by commas")
    options = parser.parse_args()
    with reported():
        model, params = files.load_weights(options.weights)
        for scale in SCALES:
            if (worst := excess(model, params, scale)) > LIMIT:
                raise UserError(f"{options.weights} is unstable at x{scale}: {worst:.3g} outside [0, 1] on masks")
        info = files.read_info(options.weights)
        sets = {pathlib.Path(folder).name: evaluation_pictures(folder) for folder in options.data.split(",")}
        info["scores"] = []
        with_gray = {name: pictures for name, pictures in sets.items() if name == "Set14"}
        for protocol, some in (
            (Protocol("A"), sets),
            (Protocol("A", gray_as_rgb=True), with_gray),
            (Protocol("B"), {name: pictures for name, pictures in sets.items() if len(pictures) <= SMALL}),
        ):
            if not some:
                continue
            records = evaluate({options.name: Upscaler(model, params)}, some, SCALES, protocol)
            print(text_table(records), "\n")
            name = protocol.name + " gray as RGB" * protocol.gray_as_rgb
            info["scores"] += [
                {"protocol": name, "set": r["set"], "scale": r["scale"], "psnr": r["psnr"], "ssim": r["ssim"]}
                for r in records
            ]
        info |= {"licence": "Apache-2.0", "scored_with": f"jax {importlib.metadata.version('jax')}"}
        path = pathlib.Path(files.__file__).with_name(f"{options.name}.safetensors")
        files.save_weights(path, model, params, info)
        print(path)


if __name__ == "__main__":
    main()
