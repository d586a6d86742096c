"""Published scores, each with its source. This file has no results of this project.

Scores are "PSNR/SSIM" in the order of `BENCHMARKS`. "-" means that no score was found, PSNR alone that no SSIM was.
"""

from typing import NamedTuple

from lapsrn_jax.data.sources import BENCHMARKS

SCALES = (2, 4, 8)

CMS_PAPER = "J. Hyun et al., Weight-Sharing Method for Upsampling Layer from Feature Embedding Recursive Block (2024)"
_SURVEY = "the tables of S. Anwar, S. Khan & N. Barnes, A Deep Journey into Super-resolution (2020)"
_SAFMN = "the comparison in the repository of SAFMN (Sun et al., 2023)"
_TPAMI = "Lai et al. (TPAMI 2018), as the repositories of proSR and of SRsurvey quote it"
_D5R5 = "Lai et al. (TPAMI 2018), as a repository of L. Mammana quotes it"


class Score(NamedTuple):
    """PSNR in dB, SSIM (None if not published), and both as published."""

    psnr: float
    ssim: float | None
    text: str


# Table 2 of the CMS-LapSRN paper, each row in the order of BENCHMARKS.
_CMS_TABLE_2 = {
    "bicubic": {
        2: "33.69/0.931 30.25/0.870 29.57/0.844 26.89/0.841 30.86/0.936",
        4: "28.43/0.811 26.01/0.704 25.97/0.670 23.15/0.660 24.93/0.790",
        8: "24.40/0.658 23.10/0.566 23.67/0.548 20.74/0.516 21.47/0.650",
    },
    "LapSRN": {
        2: "37.24/0.957 32.78/0.910 31.78/0.892 30.60/0.911 36.73/0.971",
        4: "31.33/0.884 27.80/0.769 27.31/0.724 25.26/0.757 29.03/0.886",
        8: "26.19/0.750 24.29/0.624 24.61/0.585 21.97/0.589 23.72/0.741",
    },
    "MS-LapSRN": {
        2: "36.76/0.955 32.57/0.908 31.38/0.888 29.59/0.899 36.16/0.970",
        4: "31.48/0.885 28.19/0.771 27.30/0.726 25.35/0.761 29.27/0.890",
        8: "26.39/0.754 24.66/0.629 24.61/0.587 22.09/0.596 23.87/0.751",
    },
    "CMS-LapSRN (1st)": {
        2: "36.65/0.954 32.50/0.906 31.31/0.886 29.44/0.895 36.04/0.967",
        4: "31.44/0.884 28.20/0.771 27.31/0.726 25.36/0.761 29.26/0.890",
        8: "26.34/0.753 24.60/0.627 24.61/0.587 22.08/0.596 23.86/0.751",
    },
    "CMS-LapSRN (3rd)": {
        2: "36.88/0.955 32.61/0.908 31.44/0.888 29.61/0.898 36.31/0.970",
        4: "31.51/0.884 28.19/0.770 27.32/0.726 25.38/0.762 29.37/0.891",
        8: "26.40/0.756 24.68/0.629 24.60/0.587 22.12/0.598 23.92/0.754",
    },
    "CMS-LapSRN (5th)": {
        2: "36.46/0.954 32.38/0.905 31.23/0.885 29.34/0.894 35.37/0.968",
        4: "31.52/0.884 28.19/0.769 27.31/0.724 25.29/0.758 29.17/0.888",
        8: "26.35/0.753 24.60/0.627 24.60/0.586 22.05/0.594 23.82/0.749",
    },
}

# Scores of the original papers, as quoted by the sources.
_ORIGINALS = {
    "VDSR": {
        2: (_SAFMN, "37.53/0.9587 33.03/0.9124 31.90/0.8960 30.76/0.9140 37.22/0.9729"),
        4: (_SAFMN, "31.35/0.8838 28.01/0.7674 27.29/0.7251 25.18/0.7524 28.83/0.8809"),
        8: (_SURVEY, "25.93/0.724 24.26/0.614 24.49/0.583 21.70/0.571 23.16/0.725"),
    },
    "DRCN": {
        2: (_SURVEY, "37.63/0.9588 33.04/0.9118 31.85/0.8942 30.75/0.9133 37.57/0.973"),
        4: (_SURVEY, "31.53/0.8854 28.02/0.7670 27.23/0.7233 25.14/0.7510 28.97/0.886"),
    },
    "DRRN": {
        2: (_SURVEY, "37.74/0.9591 33.23/0.9136 32.05/0.8973 31.23/0.9188 37.92/0.976"),
        4: (_SURVEY, "31.68/0.8888 28.21/0.7720 27.38/0.7284 25.44/0.7638 29.46/0.896"),
    },
    "MDSR": {
        2: (_SURVEY, "38.11/0.9602 33.85/0.9198 32.29/0.9007 32.84/0.9347 38.96/0.978"),
        4: (_SURVEY, "32.50/0.8973 28.72/0.7857 27.72/0.7418 26.67/0.8041 31.11/0.915"),
    },
    "LapSRN": {
        2: (_SAFMN, "37.52/0.9590 33.08/0.9130 31.80/0.8950 30.41/0.9100 37.27/0.9740"),
        4: (_SAFMN, "31.54/0.8850 28.19/0.7720 27.32/0.7280 25.21/0.7560 29.09/0.8845"),
        8: (_SURVEY, "26.15/0.738 24.35/0.620 24.54/0.586 21.81/0.581 23.39/0.735"),
    },
    "MS-LapSRN D5R5": {
        2: (_D5R5, "37.72/0.960 33.24/0.914 32.00/0.898 - -"),
        4: (_D5R5, "31.74/0.888 28.25/0.773 27.42/0.731 - -"),
    },
    "MS-LapSRN D5R8": {
        2: (_TPAMI, "37.78 33.28 32.05 31.15 -"),
        4: (_TPAMI, "31.74 28.26 27.43 25.51 -"),
        8: (_TPAMI, "26.34/0.7558 24.57/0.6273 24.65/0.5895 22.06/0.5963 23.90/0.7564"),
    },
}


class Row(NamedTuple):
    """A row of the CMS-LapSRN paper's Table 1, with published multiply-adds by scale for 1280 x 720."""

    depth: int
    filters: int
    parameters: str
    billions: dict[int, float]


MULTIPLY_ADDS = "N. Ahn et al., CARN (2018)"
TABLE_1 = {
    "VDSR": Row(20, 64, "665k", {2: 612.6, 4: 612.6}),
    "DRCN": Row(20, 256, "1775k", {2: 17_974.3, 4: 17_974.3}),
    "DRRN": Row(52, 128, "297k", {2: 6_796.9, 4: 6_796.9}),
    "MDSR": Row(162, 64, "8000k", {}),
    "LapSRN": Row(24, 64, "812k", {4: 149.4}),
    "MS-LapSRN": Row(84, 64, "222k", {}),
    "CMS-LapSRN": Row(84, 64, "185k", {}),
}


def cms_score(system: str, set_name: str, scale: int) -> Score | None:
    """Returns the score of a system (see `systems.name_of`) in the CMS-LapSRN paper's Table 2, or None."""
    return _score(_CMS_TABLE_2.get(system, {}).get(scale), set_name)


def original_score(system: str, set_name: str, scale: int) -> tuple[Score, str] | None:
    """Returns the score that a system's own authors report, with its source, or None."""
    source, scores = _ORIGINALS.get(system, {}).get(scale, ("", None))
    score = _score(scores, set_name)
    return (score, source) if score else None


def _score(scores: str | None, set_name: str) -> Score | None:
    if scores is None or set_name not in BENCHMARKS:
        return None
    psnr, _, ssim = scores.split()[BENCHMARKS.index(set_name)].partition("/")
    return None if psnr == "-" else Score(float(psnr), float(ssim) if ssim else None, f"{psnr} / {ssim or '-'}")
