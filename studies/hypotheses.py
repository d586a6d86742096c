"""Tests why the paper's tying might cost quality. studies/configs/midi.py states the hypotheses.

They are about the gap, the PSNR that the paper's tying loses to MS-LapSRN. Only the scales with a gap count.
"""

import numpy as np
from numpy.typing import NDArray

from lapsrn_jax.models import Tying
from studies.claims import Claim, above_zero, compared, decide, files
from studies.intervals import t_interval
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
    if not (seeds := results.seeds(name, paper, ms)):
        return None
    middle = {s: (_psnr(results, paper, seeds, s) + _psnr(results, ms, seeds, s)) / 2 for s in scales}
    gains = {s: t_interval(_psnr(results, name, seeds, s) - middle[s]) for s in scales}
    return Claim(
        f"{text}. This closes more than half of the gap.",
        decide(all(gain.low > 0 for gain in gains.values()), all(gain.high < 0 for gain in gains.values())),
        [compared(f"{name} - ({paper} + {ms}) / 2, x{s}", gain) for s, gain in gains.items()],
        files(name, paper, ms),
    )


def _between(results: Results, half: str, paper: str, upsample: str, scales: list[int]) -> Claim | None:
    if not results.seeds(half, paper, upsample):
        return None
    above, below = ({s: t_interval(results.differences(half, other, s)) for s in scales} for other in (paper, upsample))
    return Claim(
        "Conflict: if the convolution's gradient counts half, the kernel scores better than the paper's, and worse "
        "than one that only the upsampler trains.",
        decide(
            all(gain.low > 0 for gain in above.values()) and all(gain.high < 0 for gain in below.values()),
            any(gain.high < 0 for gain in above.values()) or any(gain.low > 0 for gain in below.values()),
        ),
        [
            compared(f"{half} - {other}, x{s}", gain)
            for other, gains in ((paper, above), (upsample, below))
            for s, gain in gains.items()
        ],
        files(half, paper, upsample),
    )


def _shrinks(results: Results, paper: str, ms: str, scales: list[int]) -> Claim | None:
    steps = list(results.progress(paper, ms, scales[0]))
    if len(steps) < 2:
        return None
    first, last = min(steps), max(steps)
    gains = {}
    for scale in scales:
        differences = results.progress(paper, ms, scale)
        gains[scale] = t_interval(np.subtract(differences[last], differences[first]))
    return Claim(
        "Speed: the gap shrinks with more training. If it stays or grows, the tying costs capacity.",
        above_zero(gains.values()),
        [
            compared(f"{paper} - {ms} after step {last:,}, minus the same after step {first:,}, x{s}", gain)
            for s, gain in gains.items()
        ],
        files(paper, ms),
    )


def _psnr(results: Results, name: str, seeds: list[int], scale: int) -> NDArray[np.float64]:
    return np.array([results.score(name, seed, scale) for seed in seeds])
