"""Tests the CMS-LapSRN paper's claims against a study. Confidence intervals decide the verdicts."""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from lapsrn_jax.models import Tying
from studies.intervals import Interval, t_interval
from studies.results import Results
from studies.times import AGAIN
from tools.timing import ratio_interval

Verdict = Literal["supported", "contradicted", "no difference worth having", "undecided"]

COMPARABLE = 0.05  # dB; a network that is worse by at most this much counts as comparable
WORTH = 0.05  # dB; an interval that contains zero and is narrower than this shows no difference worth having
EQUAL = 0.02  # times that differ by less than this fraction count as equal


class Claim(NamedTuple):
    """A claim of the paper, the verdict of the study, its figures, and the files that contain them."""

    text: str
    verdict: Verdict
    figures: list[str]
    files: str


def decide(supported: bool, contradicted: bool, gains: Sequence[Interval] = ()) -> Verdict:
    """Returns the verdict that the intervals support; `gains` are those in dB."""
    if supported or contradicted:
        return "supported" if supported else "contradicted"
    equal = gains and all(gain.low <= 0 <= gain.high and gain.high - gain.low < WORTH for gain in gains)
    return "no difference worth having" if equal else "undecided"


def above_zero(gains: Collection[Interval]) -> Verdict:
    """Returns the verdict on "all of these are above zero"."""
    return decide(all(gain.low > 0 for gain in gains), any(gain.high < 0 for gain in gains), list(gains))


def claims(results: Results) -> list[Claim]:
    """Returns the claims that the study's variants can test. All need MS-LapSRN and the third layer's adjoint."""
    ms, cms = results.find(None), results.find(Tying())
    if not ms or not cms or not results.seeds(ms[0], cms[0]):
        return []
    found = [_best_layer(results, cms[0])]
    found += [_quality(results, ms[0], cms[0], scale) for scale in results.scales]
    found += [_parameters(results, ms[0], cms[0])]
    found += _times(results, ms[0], cms[0])
    return [claim for claim in found if claim is not None]


def show(interval: Interval, digits: int = 3, unit: str = "") -> str:
    """Formats a signed mean with its bounds, such as +0.012 [-0.030, +0.054] dB."""
    if interval.n < 2:
        return f"{interval.mean:+.{digits}f}{unit} (one seed)"
    return f"{interval.mean:+.{digits}f} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]{unit}"


def compared(difference: str, gain: Interval) -> str:
    """Returns a line on a difference between variants, paired by seed."""
    return f"{difference}: {show(gain, unit=' dB')}, {gain.n} pairs"


def files(*variants: str) -> str:
    """Names the results files of variants, in Markdown."""
    return ", ".join(f"cells/{name}-\\*.json" for name in variants)


def _best_layer(results: Results, third: str) -> Claim | None:
    depth = results.grid["base"]["model"]["depth"]
    layers = {n: layer for layer in range(1, depth + 1) if layer != 3 for n in results.find(Tying(layer=layer))}
    layers = {name: layer for name, layer in layers.items() if results.seeds(third, name)}
    if not layers:
        return None
    pairs = [(name, scale) for name in layers for scale in results.scales]
    gains = {
        (name, scale): t_interval(results.differences(third, name, scale), comparisons=len(pairs))
        for name, scale in pairs
    }
    figures = [f"{third} - {name}, x{scale}: {show(gain, unit=' dB')}" for (name, scale), gain in gains.items()]
    compared_with = " and ".join(f"layer {layer}" for layer in layers.values())
    return Claim(
        f"The third layer is the best one to share, compared with {compared_with}.",
        above_zero(gains.values()),
        [*figures, f"{len(pairs)} intervals that hold simultaneously with 95 % (Bonferroni)"],
        files(third, *layers),
    )


def _quality(results: Results, ms: str, cms: str, scale: int) -> Claim:
    gain = t_interval(results.differences(cms, ms, scale))
    figures = [compared(f"{cms} - {ms}, x{scale}", gain)]
    if scale == 2:
        verdict = decide(gain.low > -COMPARABLE, gain.high < -COMPARABLE)
        return Claim("Comparable at x2 (not worse by more than 0.05 dB).", verdict, figures, files(ms, cms))
    return Claim(f"Better at x{scale}.", above_zero([gain]), figures, files(ms, cms))


def _parameters(results: Results, ms: str, cms: str) -> Claim:
    free, tied = (results.cells[name, results.seeds(ms, cms)[0]]["parameters"] for name in (ms, cms))
    kernel = 9 * results.grid["base"]["model"]["features"] ** 2
    return Claim(
        "3.7e4 fewer parameters (9 C^2: 36,864 with C = 64 features).",
        decide(free - tied == kernel, free - tied != kernel),
        [f"{free:,} - {tied:,} = {free - tied:,}"],
        files(ms, cms),
    )


def _times(results: Results, ms: str, cms: str) -> list[Claim]:
    if results.times is None:
        return []
    found = []
    for kind, text in (("step", "A shorter training."), ("picture", "An equal inference time.")):
        seconds = results.times[kind]
        middle, low, high = ratio_interval(seconds[cms], seconds[ms])
        if kind == "step":
            verdict = decide(high < 1 - EQUAL, low > 1 - EQUAL)
        else:
            verdict = decide(low > 1 - EQUAL and high < 1 + EQUAL, high < 1 - EQUAL or low > 1 + EQUAL)
        figures = [f"time of a {kind}, {cms} / {ms}: {middle:.3f} [{low:.3f}, {high:.3f}]"]
        if ms + AGAIN in seconds:
            middle, low, high = ratio_interval(seconds[ms + AGAIN], seconds[ms])
            figures.append(f"{ms} again / {ms}: {middle:.3f} [{low:.3f}, {high:.3f}]")
        found.append(Claim(f"{text} (Differences below {EQUAL:.0%} are ignored.)", verdict, figures, "times.json"))
    return found
