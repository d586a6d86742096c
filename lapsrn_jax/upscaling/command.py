"""What `lapsrn upscale` does with its options."""

import argparse
import functools
import json
import pathlib
import sys

import jax

from lapsrn_jax.data.photographs import cache_folder
from lapsrn_jax.errors import UserError
from lapsrn_jax.files import appearing
from lapsrn_jax.images.formats import format_of
from lapsrn_jax.upscaling.batch import RECORD, Settings, summary, upscale_all
from lapsrn_jax.upscaling.jobs import STREAM, find_jobs
from lapsrn_jax.upscaling.photos import target_size
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights, weights_digest


def run(options: argparse.Namespace) -> None:
    """Enlarges the pictures; exit status 1 if any of several failed.

    Raises:
      UserError: whatever concerns all pictures: options, inputs, weights; and what is wrong with an only one.
    """
    sized = options.width is not None or options.height is not None
    scale = options.scale if options.scale is not None or sized else 4.0
    size = functools.partial(target_size, scale=scale, width=options.width, height=options.height)
    size((1, 1))
    suffix = f".{options.format.lower().lstrip('.')}" if options.format else None
    if suffix:
        format_of(f"results{suffix}")
    jobs = find_jobs(options.input, options.output, suffix)
    _set_up_jax(options.device)
    model, params = load_weights(options.weights)
    # Half for the network, half for what is around it: decoded rows, the enlarged band, the program itself.
    budget = None if options.max_memory is None else options.max_memory // 2
    network = Upscaler(model, params, budget, options.self_ensemble, options.fast)
    if scale is not None:
        network.check(scale)

    to_folder = jobs[0].target != options.output
    what = (scale, options.width, options.height, options.fast, options.self_ensemble, options.strip)
    fingerprint = json.dumps([weights_digest(params), *what])
    settings = Settings(size, suffix and suffix.lstrip("."), options.strip, fingerprint)
    reports = upscale_all(jobs, network, settings, pathlib.Path(options.output) / RECORD if to_folder else None)
    if options.report:
        with appearing(options.report) as partial:
            partial.write_text(json.dumps(reports, indent=2) + "\n")
    if len(jobs) > 1:
        print(f"{options.output}: {summary(reports)}", file=sys.stderr)
        sys.exit(any(report["status"] == "failed" for report in reports))
    [report] = reports
    if report["status"] == "failed":
        raise UserError(report["error"])
    if options.output != STREAM:
        now = "{} x {} pixels".format(*report["size"]) if report["status"] == "done" else "done before"
        print(f"{report['target']}: {now}")


def _set_up_jax(device: str | None) -> None:
    if device:
        jax.config.update("jax_platforms", device)
        try:
            jax.devices()
        except RuntimeError:
            raise UserError(f"--device {device}: there is none, or this JAX was installed without support") from None
    keep_compiled()


def keep_compiled() -> None:
    """Lets all processes of a user share what JAX compiles, on disk, unless JAX was given a place for it already."""
    if jax.config.jax_compilation_cache_dir is None:
        folder = cache_folder() / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
