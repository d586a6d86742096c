"""Scores networks on pictures that were shrunk and then compressed as JPEG, as most people's pictures are.

    python -m benchmarks.jpeg --scales 2,4 --qualities 95,90,75,50,30 --data data/Set14

prints PSNR (dB) and SSIM of each network and of bicubic interpolation, first without JPEG. The low-resolution pictures
are those of protocol B. libjpeg-turbo compresses them in colour, with half of the colour resolution as cameras do.
With --held-out, the pictures are those that configs/weights.py holds out of its training.
"""

import argparse
import dataclasses
import io

import numpy as np
import PIL.Image

from configs import weights
from lapsrn_jax.data.sources import BUNDLED, evaluation_sets, hold_out, training_pictures
from lapsrn_jax.errors import reported
from lapsrn_jax.evaluation.protocol import Protocol, bicubic
from lapsrn_jax.evaluation.scoring import evaluate
from lapsrn_jax.images.io import to_float, to_uint8
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights


@dataclasses.dataclass(frozen=True)
class JpegProtocol(Protocol):
    """Protocol B, with low-resolution pictures that were compressed as JPEG.

    Attributes:
      quality: libjpeg's quality from 1 to 100, or None for no compression.
    """

    name: str = "B"
    quality: int | None = None

    def degrade(self, hr: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the picture, uint8, cropped to a multiple of `scale`, and its LR image, float64 in [0, 1]."""
        hr, lr = super().degrade(hr, scale)
        if self.quality is None:
            return hr, lr
        file = io.BytesIO()
        PIL.Image.fromarray(to_uint8(lr)).save(file, "JPEG", quality=self.quality, subsampling="4:2:0")
        return hr, to_float(np.asarray(PIL.Image.open(file)))


def main() -> None:
    """Prints a table for each set and scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="cms-lapsrn,cms-lapsrn-photo", help="names or files, separated by commas")
    parser.add_argument("--scales", default="2,4")
    parser.add_argument("--qualities", default="95,90,75,50,30")
    parser.add_argument("--data", default=BUNDLED, help="folders of pictures, separated by commas")
    parser.add_argument("--held-out", action="store_true", help="score the held-out photographs instead of --data")
    options = parser.parse_args()
    with reported():
        networks = {"bicubic": bicubic} | {
            name: Upscaler(*load_weights(name)) for name in options.weights.split(",")
        }  # fmt: skip
        if options.held_out:
            data = weights.get_config().data
            sets = {"held out": hold_out(training_pictures(data.train), data.hold_out)[1]}
        else:
            sets = evaluation_sets(options.data.split(","))
        for scale in map(int, options.scales.split(",")):
            for name, pictures in sets.items():
                print(f"\n{name} ({len(pictures)} pictures), x{scale}\n\n| JPEG | {' | '.join(networks)} |")
                print("| --- " * (1 + len(networks)) + "|")
                for quality in (None, *map(int, options.qualities.split(","))):
                    records = evaluate(networks, {name: pictures}, [scale], JpegProtocol(quality=quality))
                    cells = [f"{record['psnr']:.2f} / {record['ssim']:.4f}" for record in records]
                    print(f"| {quality or 'none'} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
