"""`lapsrn upscale`: enlarges pictures."""

import argparse
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import signal
import sys
from typing import Any

from lapsrn_jax.cli.options import (
    NETWORK,
    add_json,
    add_network,
    check_output,
    colour,
    count,
    memory,
    pixels,
    quality,
    rate_factor,
)
from lapsrn_jax.errors import UserError, say
from lapsrn_jax.files import atomic_write


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("upscale", help="enlarge pictures and videos")
    parser.add_argument(
        "input", nargs="+", help="files, folders (searched recursively), patterns, or - for standard input"
    )
    parser.add_argument("-o", "--output", required=True, help="a file, a folder, or - for standard output")
    size = parser.add_argument_group("size")
    size.add_argument("--scale", type=float, help="factor for width and height: 2, 3, 1.5, ... (default: 4)")
    size.add_argument("--width", type=count, help="width in pixels, instead of --scale")
    size.add_argument("--height", type=count, help="height in pixels, instead of --scale")
    size.add_argument(
        "--copy-large", action="store_true",
        help="copy pictures that are already at least as large as --width and --height",
    )  # fmt: skip
    network = parser.add_argument_group("network")
    add_network(
        network, "auto", "auto (cms-lapsrn-photo for JPEG, AVIF, HEIC, lossy WebP, TIFF with JPEG inside and lossy "
        f"videos, cms-lapsrn for everything else), {NETWORK}",
    )  # fmt: skip
    network.add_argument("--fast", action="store_true", help="run half of the recursions: faster, slightly worse")
    network.add_argument(
        "--self-ensemble",
        action="store_true",
        help="average over rotations and reflections: takes eight times as long, slightly better",
    )
    network.add_argument(
        "--device", metavar="KIND[:N,...]",
        help="cpu or cuda, or some devices of a kind, such as cuda:0,1 (default: all of the fastest kind)",
    )  # fmt: skip
    network.add_argument(
        "--max-memory", type=memory, metavar="SIZE",
        help="memory limit, such as 2G (default: the free memory); results other than PNG and TIFF need more",
    )  # fmt: skip
    network.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS",
        help="use the devices of a Ray cluster: the one at ADDRESS, else one that Ray finds, else one on this machine; "
        "inputs and output may be fsspec addresses, such as s3://bucket/folder",
    )  # fmt: skip
    result = parser.add_argument_group("result")
    result.add_argument(
        "--format", help="format of results in a folder or on standard output: png, jpg, ... (default: the source's)"
    )
    result.add_argument(
        "--suffix", default="", metavar="TEXT", help="text after the names of results in a folder, such as _x4"
    )
    loss = result.add_mutually_exclusive_group()
    loss.add_argument(
        "--quality", type=quality, metavar="N", help="quality of JPEG, WebP, AVIF and HEIC, from 1 to 100 "
        "(default: 95, or 90 for AVIF and HEIC)",
    )  # fmt: skip
    loss.add_argument(
        "--lossless", action="store_true", help="write WebP, HEIC and videos (ffv1) without loss; refuse lossy formats"
    )
    result.add_argument(
        "--codec", choices=("h264", "h265", "vp9", "av1", "ffv1", "prores"),
        help="codec of videos (default: h264; h265 beyond 8 bits; vp9 in .webm)",
    )  # fmt: skip
    result.add_argument(
        "--crf",
        type=rate_factor,
        metavar="N",
        help="quality of videos, from 0 to 63 (51 for h264 and h265): lower is better and larger",
    )
    result.add_argument(
        "--background", type=colour, metavar="COLOUR", help="fill transparency with a colour, such as white or #ff8000"
    )
    result.add_argument("--keep-hidden", action="store_true", help="keep the colours of invisible pixels, for textures")
    result.add_argument(
        "--strip",
        action="store_true",
        help="leave out EXIF, XMP, IPTC, resolution and the metadata of videos, but keep the colour profile",
    )
    result.add_argument(
        "--max-pixels", type=pixels, metavar="N",
        help="read pictures of up to N pixels, such as 500M; damaged files may claim any size (default: 179M)",
    )  # fmt: skip
    result.add_argument("--overwrite", action="store_true", help="replace existing files that are not earlier results")
    add_json(result, "a report on each picture")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Enlarges the pictures. The exit status is 1 if some of several pictures failed.

    Raises:
      UserError: the options, the inputs or the weights are wrong, or the only picture failed.
    """
    import PIL.Image

    from lapsrn_jax.upscaling.batch import summary, upscale_all
    from lapsrn_jax.upscaling.jobs import STREAM, find_jobs
    from lapsrn_jax.upscaling.record import Record
    from lapsrn_jax.upscaling.settings import Settings
    from lapsrn_jax.upscaling.upscale import Upscaler
    from lapsrn_jax.weights.files import load_weights_for_photos, weights_for

    if options.max_pixels:
        PIL.Image.MAX_IMAGE_PIXELS = options.max_pixels // 2  # Pillow warns from here on, and refuses twice as many
    scale, size = _size(options)
    suffix = _suffix(options)
    check_output(options.json)
    cluster = _cluster(options)
    find = cluster.find_jobs_for_cluster if cluster else find_jobs
    jobs, left_out = find(options.input, options.output, suffix, options.suffix)
    _check_kinds(options, jobs)
    devices = _set_up_jax("cpu" if cluster else options.device)
    weights = [weights_for(options.weights, lossy) for lossy in (False, True)]
    model, params, lossy_params = load_weights_for_photos(*weights)
    load = functools.partial(
        Upscaler, model, params, lossy_params=lossy_params, self_ensemble=options.self_ensemble, fast=options.fast
    )
    network = load(max_memory=options.max_memory, devices=devices)
    if scale is not None:
        network.check(scale)

    settings = Settings(
        size=size,
        format=suffix and suffix.lstrip("."),
        strip=options.strip,
        keep_hidden=options.keep_hidden,
        overwrite=options.overwrite,
        fingerprint=_fingerprint(options, scale, model, [params, lossy_params]),
        quality=options.quality,
        lossless=options.lossless,
        background=options.background,
        copy_large=options.copy_large,
        codec=options.codec,
        crf=options.crf,
        weights=(str(weights[False]), str(weights[True])),
    )
    if cluster:
        outcomes = cluster.upscale_on_cluster(
            jobs, lambda limit: load(max_memory=limit), settings, options.output, options.ray or None,
            kind=options.device, max_memory=options.max_memory,
        )  # fmt: skip
    else:
        record = Record(options.output) if jobs[0].target != options.output else None
        outcomes = upscale_all(jobs, network, settings, record)
    reports = _collected(outcomes, jobs, left_out, options.json)
    if len(jobs) > 1:
        say(f"{options.output}: {summary(reports)}")
        sys.exit(any(report["status"] == "failed" for report in reports))
    [report] = reports
    if report["status"] == "failed":
        raise UserError(report["error"])
    if options.output != STREAM:
        now = "{} x {} pixels".format(*report["size"]) if "size" in report else "done before"
        by = f"; weights: {report['weights']}" if "weights" in report else ""
        print(f"{report['target']}: {now}{by}")


def _size(options: argparse.Namespace) -> tuple[float | None, Any]:
    """Returns the scale, None without one, and a function from a picture's (rows, columns) to those of its result."""
    from lapsrn_jax.upscaling.photos import target_size

    sized = options.width is not None or options.height is not None
    if options.copy_large and not sized:
        raise UserError("--copy-large needs --width or --height, since no picture is large enough for a scale")
    scale = options.scale if options.scale is not None or sized else 4.0
    size = functools.partial(
        target_size, scale=scale, width=options.width, height=options.height, keep_large=options.copy_large
    )
    size((1, 1))  # refuses options that contradict each other
    return scale, size


def _suffix(options: argparse.Namespace) -> str | None:
    """Returns the suffix of the results in a folder, or None for that of the sources. Also checks `--suffix`."""
    from lapsrn_jax.images.formats import VIDEOS, format_of

    suffix = f".{options.format.lower().lstrip('.')}" if options.format else None
    if suffix and suffix not in VIDEOS:
        format_of(f"results{suffix}")
    if {"/", os.sep} & {*options.suffix}:
        raise UserError(f"--suffix {options.suffix} holds a path separator: give a text such as _x4")
    return suffix


def _check_kinds(options: argparse.Namespace, jobs: Any) -> None:
    """Raises `UserError` for options that apply to none of the inputs."""
    from lapsrn_jax.images.formats import is_video

    videos = [is_video(job.source) for job in jobs]
    if not any(videos) and (options.codec or options.crf is not None):
        raise UserError("--codec and --crf are for videos, and no input is one: leave them out")
    if all(videos) and (options.quality is not None or options.background or options.keep_hidden):
        raise UserError("--quality, --background and --keep-hidden are for pictures: leave them out, or use --crf")


def _collected(outcomes: Any, jobs: Any, left_out: list[str], path: pathlib.Path | None) -> list[dict[str, Any]]:
    """Does the work. Returns the reports in the order of the jobs, and writes them to `path` even if interrupted."""
    reports: list[dict[str, Any]] = []
    for name in ("SIGTERM", "SIGHUP"):  # an exception cleans up
        number = getattr(signal, name, None)  # Windows has no SIGHUP, and nohup ignores it
        if number and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        with contextlib.closing(outcomes):
            reports.extend(outcomes)  # one by one, also if it is interrupted
    finally:
        places = {job.target: place for place, job in enumerate(jobs)}
        reports.sort(key=lambda report: places[report["target"]])  # on a cluster, the fastest comes first
        for line in left_out:
            say(f"left out: {line}")
        if path:
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(reports, indent=2) + "\n")
    return reports


def _cluster(options: argparse.Namespace) -> Any:
    """Returns the module for clusters if `--ray` is given, else None."""
    if options.ray is None:
        if address := next((name for name in (*options.input, options.output) if "://" in name), None):
            raise UserError(f"{address} is an address: only --ray takes addresses")
        return None
    if options.device not in (None, "cpu", "cuda"):
        raise UserError(
            f"--ray takes --device cpu or cuda, not {options.device}: the cluster chooses among the devices"
        )
    try:
        from lapsrn_jax.upscaling import cluster
    except ImportError:
        raise UserError("--ray needs Ray and fsspec: pip install '.[ray]'") from None
    return cluster


def _fingerprint(options: argparse.Namespace, scale: float | None, model: Any, params: Any) -> str:
    """Identifies all that affects the results: the options, the network and the version of the package."""
    from lapsrn_jax import __version__, models
    from lapsrn_jax.weights.files import weights_digest

    names = ("width", "height", "fast", "self_ensemble", "keep_hidden", "strip")
    chosen = [scale, *(getattr(options, name) for name in names)]
    # Only where given: results from before these options existed stay valid.
    added = {name: getattr(options, name) for name in ("quality", "lossless", "background", "codec")}
    later = {name: value for name, value in added.items() if value}
    later |= {} if options.crf is None else {"crf": options.crf}
    digests = [weights_digest(each) for each in params if each is not None]
    identity = [__version__, models.settings(model), *digests, chosen, *([later] if later else [])]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _set_up_jax(chosen: str | None) -> list[Any]:
    """Returns the devices that `--device` chooses."""
    import jax

    from lapsrn_jax.cache import keep_compiled

    kind, _, numbers = (chosen or "").partition(":")
    if kind:
        jax.config.update("jax_platforms", kind)
        try:
            jax.devices()
        except (RuntimeError, AssertionError):  # JAX asserts that it has found a device
            raise UserError(
                f"--device {chosen} is not available: JAX finds no such device, or was installed without support for it"
            ) from None
    keep_compiled()
    devices = jax.local_devices()
    if not numbers:
        return devices
    found = {str(number): device for number, device in enumerate(devices)}
    names = dict.fromkeys(numbers.split(","))
    if missing := ", ".join(name for name in names if name not in found):
        raise UserError(f"--device {chosen} names {missing or 'nothing'}, but JAX finds {kind}:{','.join(found)}")
    return [found[name] for name in names]
