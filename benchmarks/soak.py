"""Enlarges many small pictures while the command is killed again and again, and checks that nothing is lost.

    python -m benchmarks.soak [--pictures 2000] [--damaged 300] [--kills 50] [--seed 0]

The pictures are of every kind that the command reads, and some of the files are damaged. The first run is not
interrupted; its results are the reference, and its memory is measured. Then `kill -9` ends processes that enlarge the
same pictures into a second folder, at random moments, and the last one finishes. The script fails unless both folders
hold the same bytes, each picture was enlarged once (or once more for a kill that met it), no traceback was printed, and
no other file was left in the folder.
"""

import argparse
import collections
import io
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import PIL.features
import PIL.Image
import tifffile
import tqdm

from tools.memory import memory
from tools.timing import machine

COMMAND = [sys.executable, "-m", "lapsrn_jax.cli", "upscale"]
JOURNAL = ".lapsrn.jsonl"
AT_ONCE = 2  # pictures that the command works on with a CPU
MODES = {
    "png": ("L", "LA", "RGB", "RGBA", "P", "1"),
    "gif": ("L", "P"),
    "jpg": ("L", "RGB", "CMYK"),
    "webp": ("RGB", "RGBA"),
    "bmp": ("L", "RGB"),
}
if PIL.features.check("avif"):
    MODES["avif"] = ("RGB", "RGBA")


def picture(rng: np.random.Generator) -> tuple[str, bytes]:
    """Returns the suffix and the content of a random picture of 1 to 30 pixels per side."""
    height, width = rng.integers(1, 31, 2)
    suffix = str(rng.choice([*MODES, "tif"]))
    file = io.BytesIO()
    if suffix == "tif":
        dtype = np.uint8 if rng.random() < 0.5 else np.uint16
        shape = (height, width, 3) if rng.random() < 0.5 else (height, width)
        tifffile.imwrite(file, rng.integers(0, np.iinfo(dtype).max, shape, dtype),
                         photometric="rgb" if len(shape) == 3 else "minisblack")  # fmt: skip
    else:
        mode = str(rng.choice(MODES[suffix]))
        image = PIL.Image.fromarray(rng.integers(0, 256, (height, width, 4), np.uint8), "RGBA")
        image = image.convert("RGB").convert(mode) if mode in ("CMYK", "P", "1") else image.convert(mode)
        options = {"lossless": True} if suffix == "webp" and rng.random() < 0.5 else {}
        image.save(file, {"jpg": "JPEG"}.get(suffix, suffix.upper()), **options)
    return suffix, file.getvalue()


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Returns the content with a random damage."""
    result, kind = bytearray(content), int(rng.integers(6))
    start = int(rng.integers(len(result)))
    length = int(rng.integers(1, 1 + len(result) - start))
    if kind == 0:  # cut off
        del result[start:]
    elif kind == 1:  # a hole
        result[start : start + length] = bytes(length)
    elif kind == 2:  # a part is missing
        del result[start : start + length]
    elif kind == 3:  # a part is repeated
        result[start:start] = result[start : start + length]
    elif kind == 4:  # random bits
        for place in rng.integers(0, len(result), 1 + len(result) // 20):
            result[place] ^= 1 << int(rng.integers(8))
    else:  # noise
        result[start : start + length] = rng.bytes(length)
    return bytes(result)


def write_pictures(folder: pathlib.Path, count: int, broken: int, rng: np.random.Generator) -> None:
    """Writes `count` pictures to subfolders, `broken` of them damaged."""
    for i in range(count):
        suffix, content = picture(rng)
        path = folder / f"{i % 7}" / f"{i}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damaged(content, rng) if i < broken else content)


def entries(folder: pathlib.Path) -> list[str]:
    """Returns the targets in the folder's journal."""
    try:
        lines = (folder / JOURNAL).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line)["target"] for line in lines if line.endswith("}")]


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """Returns the content of every file but the journal."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != JOURNAL)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def start(source: pathlib.Path, target: pathlib.Path, log: pathlib.Path) -> subprocess.Popen[str]:
    """Starts the command; its messages go to `log`."""
    with log.open("a") as file:
        return subprocess.Popen([*COMMAND, source, "-o", target, "--scale", "2", "--fast"], text=True, stderr=file)


def undisturbed(source: pathlib.Path, target: pathlib.Path, log: pathlib.Path) -> list[tuple[int, float]]:
    """Runs the command and returns (pictures done, MiB) once a second."""
    process, samples = start(source, target, log), []
    while process.poll() is None:
        samples.append((len(entries(target)), 1024 * memory(process=process.pid)))
        time.sleep(1)
    assert process.returncode == 1, f"the damaged pictures fail, so the status is 1, not {process.returncode}"
    return samples


def disturbed(
    source: pathlib.Path, target: pathlib.Path, log: pathlib.Path, kills: int, rng: np.random.Generator
) -> int:
    """Runs the command, kills it `kills` times at random moments, and returns how many kills came before its end."""
    for killed in tqdm.trange(kills, desc="kills", leave=False):
        process, before = start(source, target, log), len(entries(target))
        while process.poll() is None and len(entries(target)) == before:
            time.sleep(0.02)
        time.sleep(rng.random())
        if process.poll() is not None:
            return killed
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(source, target, log).wait() == 1
    return kills


def main() -> None:
    """Prints what happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--damaged", type=int, default=300)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        source, log = root / "in", root / "log"
        write_pictures(source, options.pictures, options.damaged, rng)
        samples = undisturbed(source, root / "reference", log)
        kills = disturbed(source, root / "out", log, options.kills, rng)
        expected, found, messages = contents(root / "reference"), contents(root / "out"), log.read_text()
        assert "Traceback" not in messages, messages[messages.index("Traceback") :][:2000]
        assert found == expected, f"these files differ: {sorted(set(found.items()) ^ set(expected.items()))[:5]}"
        assert len(expected) >= options.pictures - options.damaged
        times = collections.Counter(entries(root / "out"))
        assert times.keys() == expected.keys()
        again = sum(times.values()) - len(times)
        assert again <= AT_ONCE * kills, f"{again} pictures were enlarged again after {kills} kills"
    print(f"{machine()}")
    print(
        f"{options.pictures} pictures, {options.damaged} of them damaged: {len(expected)} enlarged, the others reported"
    )
    print(f"{kills} kills: the same bytes as without, {again} pictures enlarged once more, nothing else left over")
    for share in (0.1, 0.5, 1.0):
        done, mebibytes = next(sample for sample in samples if sample[0] >= share * 0.99 * len(expected))
        print(f"memory after {done} pictures: {mebibytes:.0f} MiB")


if __name__ == "__main__":
    main()
