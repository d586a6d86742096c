"""Tests why the paper's tying might cost quality. studies/configs/midi.py states the hypotheses.

They are about the gap, the PSNR that the paper's tying loses to MS-LapSRN. Only the scales with a gap count.
"""

from collections.abc import Mapping

import numpy as np

from lapsrn_jax.models import Tying
from studies.claims import Claim, compared, decide, files
from studies.intervals import Values, t_interval
from studies.results import Results
from studies.scaled import ScaledTying

UPSAMPLE = Tying(gradient="upsample")
HALF = ScaledTying(conv_weight=0.5)
CLOSING = {
    "Only the upsampler trains the kernel": UPSAMPLE,
    "Scale: the upsampler uses twice the kernel": ScaledTying(gain=2.0),
    "Scale: the upsampler has a learned gain for each channel": ScaledTying(gain=2.0, learn_gain=True),
}


def gaps(results: Results) -> list[int]:
    """Returns the scales at which the paper's tying scores less than MS-LapSRN."""
    paper, ms = results.find(Tying()), results.find(None)
    if not paper or not ms or not results.seeds(paper[0], ms[0]):
        return []
    return [scale for scale in results.scales if t_interval(results.differences(paper[0], ms[0], scale)).high < 0]


def hypotheses(results: Results) -> list[Claim]:
    """Returns the hypotheses that the study's variants can test; none if there is no gap."""
    scales = gaps(results)
    if not scales:
        return []
    [paper], [ms] = results.find(Tying()), results.find(None)
    found = [
        _closes(results, text, name, paper, ms, scales)
        for text, tying in CLOSING.items()
        for name in results.find(tying)
    ]
    found += [
        _between(results, half, paper, upsample, scales)
        for half in results.find(HALF)
        for upsample in results.find(UPSAMPLE)
    ]
    return [claim for claim in [*found, _shrinks(results, paper, ms, scales)] if claim]


def _closes(results: Results, text: str, name: str, paper: str, ms: str, scales: list[int]) -> Claim | None:
    seeds = results.seeds(name, paper, ms)
    score = {(n, s): np.array([results.score(n, seed, s) for seed in seeds]) for n in (name, paper, ms) for s in scales}
    gains = {
        f"{name} - ({paper} + {ms}) / 2, x{s}": score[name, s] - (score[paper, s] + score[ms, s]) / 2 for s in scales
    }
    return _claim(f"{text}. This closes more than half of the gap.", gains, (name, paper, ms))


def _between(results: Results, half: str, paper: str, upsample: str, scales: list[int]) -> Claim | None:
    gains = {
        f"{name} - {other}, x{s}": results.differences(name, other, s)
        for name, other in ((half, paper), (upsample, half))
        for s in scales
    }
    return _claim(
        "Conflict: if the convolution's gradient counts half, the kernel scores better than the paper's, and worse "
        "than one that only the upsampler trains.",
        gains,
        (half, paper, upsample),
    )


def _shrinks(results: Results, paper: str, ms: str, scales: list[int]) -> Claim | None:
    gains = {}
    for scale in scales:
        differences = results.progress(paper, ms, scale)
        if len(differences) < 2:
            return None
        first, last = min(differences), max(differences)
        seeds = differences[first].keys() & differences[last].keys()
        gains[f"{paper} - {ms} after step {last:,}, minus the same after step {first:,}, x{scale}"] = [
            differences[last][seed] - differences[first][seed] for seed in sorted(seeds)
        ]
    return _claim("Speed: the gap shrinks with more training.", gains, (paper, ms), may_be_equal=True)


def _claim(
    text: str, gains: Mapping[str, Values], variants: tuple[str, ...], *, may_be_equal: bool = False
) -> Claim | None:
    """Returns the claim that all gains are above zero; None if there are no pairs.

    Support needs all of their intervals above zero, so each may be one that holds alone. Contradiction needs only one
    below, and therefore intervals that hold simultaneously.
    """
    if not all(len(values) for values in gains.values()):
        return None
    alone = {name: t_interval(values) for name, values in gains.items()}
    together = [t_interval(values, comparisons=len(gains)) for values in gains.values()]
    verdict = decide(
        all(gain.low > 0 for gain in alone.values()),
        any(gain.high < 0 for gain in together),
        list(alone.values()) if may_be_equal else (),
    )
    return Claim(text, verdict, [compared(name, gain) for name, gain in alone.items()], files(*variants))
