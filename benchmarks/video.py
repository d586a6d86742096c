"""Measures the speed and the memory of `lapsrn upscale` on a video.

    python -m benchmarks.video --frames 2000 --size 96x64 --scale 2

The clip is a photograph that moves. It prints the resident memory after each tenth of the frames.
"""

import argparse
import pathlib
import tempfile
import time

import av
import numpy as np

from benchmarks.large_picture import photograph
from lapsrn_jax.upscaling.clips import upscale_clip
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.videos.encoding import encoding_for
from lapsrn_jax.videos.reading import Clip
from lapsrn_jax.weights.files import load_weights
from tools.memory import memory


def main() -> None:
    """Makes the clip, enlarges it and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--size", default="96x64", help="width and height in pixels")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))

    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "clip.mp4"), pathlib.Path(folder, "larger.mp4")
        write(source, options.frames, height, width)
        network = Upscaler(*load_weights("cms-lapsrn"), fast=options.fast)
        done, marks, start = 0, list[str](), 0.0

        def progress(_: float) -> None:
            nonlocal done, start
            done += 1
            if done == 1:  # the network is compiled
                start = time.monotonic()
            if done % max(options.frames // 10, 1) == 0:
                marks.append(f"{1024 * memory():.0f}")

        clip, size = Clip(source), (options.scale * height, options.scale * width)
        upscale_clip(clip, target, network, size, encoding_for(target, clip.picture, size), "", progress=progress)
        seconds = time.monotonic() - start
    print(f"{width} x {height} x{options.scale}: {(done - 1) / seconds:.2f} frames/s")
    print(f"MiB after each tenth of {done} frames: {', '.join(marks)}; peak {1024 * memory('VmHWM'):.0f}")


def write(path: pathlib.Path, frames: int, height: int, width: int) -> None:
    """Writes a clip that moves over a photograph, 25 frames a second."""
    picture = photograph(height, width + 64)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for n in range(frames):
            seen = np.ascontiguousarray(picture[:, n % 64 : n % 64 + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(seen, format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
