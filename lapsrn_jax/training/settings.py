"""The valid values of a run's settings, checked before anything else happens."""

import json
import math
from collections.abc import Callable
from typing import Any

import ml_collections

from lapsrn_jax import models
from lapsrn_jax.errors import UserError
from lapsrn_jax.models import SuperResolver

Rule = tuple[Callable[[Any], bool], str]


def _whole(least: int) -> Rule:
    return lambda value: isinstance(value, int) and value >= least, f"a whole number, {least} or more"


def _number(least: float, below: float = math.inf) -> Rule:
    text = f"a number, {least:g} or more" + (f" and below {below:g}" if below < math.inf else "")
    return lambda value: isinstance(value, int | float) and least <= value < below, text


def _one_of(*choices: str) -> Rule:
    return lambda value: value in choices, " or ".join(choices)


def _are_scales(value: Any) -> bool:
    whole = all(isinstance(scale, int) and scale > 1 for scale in value)
    return bool(value) and whole and len(set(value)) == len(value)


_TEXT: Rule = (lambda value: isinstance(value, str), "text")
_PROBABILITY: Rule = (lambda value: isinstance(value, int | float) and 0 <= value <= 1, "a probability from 0 to 1")
_FLAG: Rule = (lambda value: isinstance(value, bool), "True or False")

RULES: dict[str, Rule] = {
    "seed": (lambda value: isinstance(value, int) and 0 <= value < 2**32, "a whole number from 0 to below 2**32"),
    "start": _TEXT,
    "data.train": _TEXT,
    "data.validation": _TEXT,
    "data.hold_out": (
        lambda value: isinstance(value, int) and (value == 0 or value >= 2),
        "0, or a whole number from 2 on",
    ),
    "data.scales": (_are_scales, "different whole numbers, such as (2, 4, 8)"),
    "data.patch_size": _whole(1),
    "data.batch_size": _whole(1),
    "data.degradation.share": _PROBABILITY,
    "data.degradation.blur": _PROBABILITY,
    "data.degradation.noise": _PROBABILITY,
    "data.degradation.jpeg": _PROBABILITY,
    "data.degradation.skew": _number(0),
    "data.full_range": _PROBABILITY,
    "data.masks": _PROBABILITY,
    "data.workers": _whole(0),
    "loss.fourier": _number(0),
    "optimizer.learning_rate": _number(0),
    "optimizer.final_learning_rate": _number(0),
    "optimizer.muon_learning_rate": _number(0),
    "optimizer.schedule": _one_of("cosine", "constant", "cooldown"),
    "optimizer.warmup": _number(0, below=1),
    "optimizer.weight_decay": _number(0),
    "optimizer.clip_norm": _number(0),
    "optimizer.ema_decay": _number(0, below=1),
    "training.steps": _whole(1),
    "training.log_every": _whole(1),
    "training.checkpoint_every": _whole(1),
    "training.keep": _whole(1),
    "training.max_skipped": _whole(0),
    "training.dtype": _one_of("float32", "bfloat16"),
    "training.remat": _FLAG,
    "training.accumulate": _whole(1),
}


# Settings that configs of older runs lack, with the values that change nothing.
_ADDED: dict[str, dict[str, Any]] = {
    "data": {
        "degradation": {"share": 0.0, "blur": 0.3, "noise": 0.5, "jpeg": 0.9, "skew": 2.0},
        "full_range": 0.0,
        "masks": 0.0,
    },
    "optimizer": {"muon_learning_rate": 0.0, "schedule": "cosine"},
}


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the config of a run with the settings that did not exist when the run began."""
    return config | {group: added | config.get(group, {}) for group, added in _ADDED.items()}


def check_settings(config: ml_collections.ConfigDict, model: SuperResolver | None = None) -> None:
    """Raises `UserError` for the first setting that is missing, unknown or out of range.

    `lapsrn_jax.models.from_settings`, which this function calls, checks the settings in `config.model`, unless another
    model is given.
    """
    given = _flat(json.loads(config.to_json_best_effort()))
    for name, (holds, meaning) in RULES.items():
        if name not in given:
            raise UserError(f"the config lacks {name}: see configs/default.py")
        if not holds(given[name]):
            raise UserError(f"{name} must be {meaning}; got {given[name]!r}")
    unknown = sorted(name for name in given if name not in RULES and not name.startswith("model."))
    if unknown:
        raise UserError(f"unknown setting {unknown[0]} in the config: see configs/default.py")
    for name in ("dtype", "remat"):
        if f"model.{name}" in given:
            raise UserError(f"model.{name} has no effect: set training.{name}")
    if "model.on_amx" in given:
        raise UserError("model.on_amx has no effect: training in bfloat16 uses AMX where it can")
    if given["optimizer.muon_learning_rate"] and not given["optimizer.learning_rate"]:
        raise UserError("optimizer.learning_rate must be positive with Muon, whose rate follows the same schedule")
    served = (model or models.from_settings(config.model)).scales
    for scale in config.data.scales:
        if scale not in served:
            raise UserError(f"data.scales must be among {', '.join(map(str, served))} for this model; got {scale}")


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
