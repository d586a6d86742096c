"""Times the page in Chromium beside the package, on one core and on two.

    python -m benchmarks.page [--scale 2] [--side 256] [--rounds 3] [--upscalerjs FOLDER]

The page is the one that `make web` built. `--upscalerjs` names a folder in which
`npm install upscaler @tensorflow/tfjs@4.11 @tensorflow/tfjs-backend-wasm@4.11` was run: its default model, which
enlarges by 2, takes part on all cores. All enlarge the centre of one photograph from a file to pixels; the page also
shows them. What they prepare for a size (they load, we compile) is not counted.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import PIL.Image
import skimage.data

from lapsrn_jax.errors import UserError, reported

WEB = pathlib.Path(__file__).parents[1] / "web"
PACKAGE = """
import sys, time, lapsrn_jax
path, scale, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(rounds + 1):
    start = time.perf_counter()
    lapsrn_jax.upscale(path, scale)
    if i:
        print(time.perf_counter() - start)
"""


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, choices=(2, 4, 8), default=2)
    parser.add_argument("--side", type=int, default=256, help="LR pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--upscalerjs", type=pathlib.Path, metavar="FOLDER")
    args = parser.parse_args()
    megapixels = (args.scale * args.side) ** 2 / 1e6

    with tempfile.TemporaryDirectory() as name, reported():
        picture = pathlib.Path(name) / "picture.png"
        photograph = skimage.data.astronaut()
        start = (len(photograph) - args.side) // 2
        PIL.Image.fromarray(photograph[start : start + args.side, start : start + args.side]).save(picture)
        cores = sorted(os.sched_getaffinity(0))
        print(f"x{args.scale}, {args.side} x {args.side} pixels, medians of {args.rounds}\n")
        print("| cores | | s | s a megapixel |\n| --- | --- | --- | --- |")
        for count in sorted({1, len(cores)}):
            os.sched_setaffinity(0, cores[:count])
            results = {"the package": package(picture, args.scale, args.rounds)}
            for fast in (False, True):
                runs, seconds = page(picture, args.scale, args.rounds, fast)
                results[f"the page, {'fast, ' if fast else ''}{runs}"] = seconds
            if args.upscalerjs and count == len(cores) and args.scale == 2:
                results["UpscalerJS, WebAssembly"] = upscalerjs(picture, args.upscalerjs, args.rounds)
            for program, seconds in results.items():
                median = statistics.median(seconds)
                print(f"| {count} | {program} | {median:.2f} | {median / megapixels:.2f} |", flush=True)


def package(picture: pathlib.Path, scale: int, rounds: int) -> list[float]:
    """Returns the seconds of each call."""
    output = run(sys.executable, "-c", PACKAGE, picture, scale, rounds)
    return [float(line) for line in output.split()]


def page(picture: pathlib.Path, scale: int, rounds: int, fast: bool) -> tuple[str, list[float]]:
    """Returns what ran the network, and the seconds from the button to the finished picture."""
    job = {"file": str(picture), "scale": scale, "fast": fast}
    jobs = picture.parent / "jobs.json"
    jobs.write_text(json.dumps({"jobs": [job] * (rounds + 1)}))
    answer = json.loads(run("node", WEB / "test" / "enlarge.mjs", jobs, picture.parent))
    if answer["problems"]:
        raise UserError(f"the page fails: {answer['problems'][0]}")
    return answer["runs"].removeprefix("Runs on ").rstrip("."), answer["seconds"][1:]


def upscalerjs(picture: pathlib.Path, folder: pathlib.Path, rounds: int) -> list[float]:
    """Returns the seconds of each call."""
    seconds: list[float] = json.loads(run("node", WEB / "test" / "upscalerjs.mjs", folder.resolve(), picture, rounds))
    return seconds


def run(*command: object) -> str:
    """Returns what a program prints."""
    environment = os.environ | {"PYTHON": sys.executable}
    result = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    if result.returncode:
        raise UserError(f"{command[0]} failed: {(result.stderr.strip().splitlines() or ['no message'])[-1]}")
    return result.stdout


if __name__ == "__main__":
    main()
