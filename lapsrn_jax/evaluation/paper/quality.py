"""Table 2 of the CMS-LapSRN paper: scores of networks beside published scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from lapsrn_jax.data.sources import BENCHMARKS, Picture
from lapsrn_jax.evaluation.networks import Network
from lapsrn_jax.evaluation.paper.published import CMS_PAPER, Score, cms_score, original_score
from lapsrn_jax.evaluation.paper.systems import name_of, variant_of
from lapsrn_jax.evaluation.protocol import Protocol
from lapsrn_jax.evaluation.scoring import Record, evaluate_networks
from lapsrn_jax.evaluation.tables import Table
from lapsrn_jax.models import LapSRN

GRAY_AS_RGB = " (gray as RGB)"


def printed(network: Network, set_name: str, scale: int) -> tuple[Score | None, Score | None, str | None]:
    """Returns the CMS-LapSRN paper's score for such a network, its own authors' score, and the source of the latter.

    Papers train one LapSRN per scale, so there is no published score for the lower levels of a larger LapSRN.
    """
    if network.model is None:
        return cms_score("bicubic", set_name, scale), None, None
    if isinstance(network.model, LapSRN) and scale != max(network.model.scales):
        return None, None, None
    original = original_score(variant_of(network.model) or "", set_name, scale) or (None, None)
    return cms_score(name_of(network.model) or "", set_name, scale), *original


def evaluate_readings(
    networks: Sequence[Network], sets: Mapping[str, Sequence[Picture]], scales: Sequence[int], protocol: Protocol
) -> list[Record]:
    """Like `evaluate_networks`, but scores a set with gray pictures with both values of `Protocol.gray_as_rgb`.

    The second set of records has `GRAY_AS_RGB` appended to the set's name. Records are ordered by scale, set, network.
    """
    records: list[Record] = []
    for name, pictures in sets.items():
        gray = [picture for picture in pictures if picture.read().ndim == 2]
        color = [picture for picture in pictures if picture not in gray]
        of_color = evaluate_networks(networks, {name: color}, scales, protocol) if color else []
        for suffix, as_rgb in (("", False), (GRAY_AS_RGB, True)) if gray else ():
            reading = Protocol(protocol.name, gray_as_rgb=as_rgb)
            of_gray = evaluate_networks(networks, {name + suffix: gray}, scales, reading)
            records += [_mean(*both) for both in zip(of_gray, of_color, strict=True)] if color else of_gray
        records += [] if gray else of_color
    return sorted(records, key=lambda record: scales.index(record["scale"]))


def _mean(a: Record, b: Record) -> Record:
    """Returns the record of the pictures of both, with the other fields of `a`."""
    images = a["images"] + b["images"]

    def mean(x: float, y: float) -> float:
        return (a["images"] * x + b["images"] * y) / images

    return a | {"psnr": mean(a["psnr"], b["psnr"]), "ssim": mean(a["ssim"], b["ssim"]), "images": images}


def table_2(networks: Sequence[Network], records: Sequence[Record], scales: Sequence[int]) -> Table:
    """Compares scores with those of the CMS-LapSRN paper and of each system's own authors."""
    by_name = {network.name: network for network in networks}
    rows: list[list[str]] = []
    plain: list[dict[str, Any]] = []
    sources: dict[str, set[str]] = {}
    for record in records:
        network = by_name[record["model"]]
        cms, original, source = printed(network, record["set"].removesuffix(GRAY_AS_RGB), record["scale"])
        if source:
            sources.setdefault(source, set()).add(network.name)
        rows.append([
            f"x{record['scale']}", record["set"], record["model"], f"{record['psnr']:.2f} / {record['ssim']:.4f}",
            *_beside(record, cms), *_beside(record, original),
        ])  # fmt: skip
        plain.append(dict(record) | {
            "cms_paper_psnr": cms and cms.psnr, "cms_paper_ssim": cms and cms.ssim,
            "original_psnr": original and original.psnr, "original_ssim": original and original.ssim,
            "original_source": source,
        })  # fmt: skip
    notes = [f"PSNR (dB) / SSIM, {records[0]['protocol']}."]
    twice = list(dict.fromkeys(r["set"].removesuffix(GRAY_AS_RGB) for r in records if r["set"].endswith(GRAY_AS_RGB)))
    if twice:
        notes.append(
            f"{' and '.join(twice)} with gray pictures is scored twice: on the gray values, as in the papers' bicubic "
            "rows, and on the luminance of RGB, as in LapSRN's rows for x2 and x4."
        )
    present = {record["set"].removesuffix(GRAY_AS_RGB) for record in records}
    missing = [name for name in BENCHMARKS if name not in present]
    if missing:
        notes.append(f"Not scored, because --data does not include them: {', '.join(missing)}.")
    notes += [
        f"{network.name} does not support {', '.join(f'x{scale}' for scale in scales if not network.can(scale))}."
        for network in networks
        if not all(map(network.can, scales))
    ]
    notes.append(f"CMS paper: {CMS_PAPER}, Table 2. Differences are ours minus theirs, PSNR in dB.")
    notes += [f"Original of {', '.join(sorted(names))}: {source}." for source, names in sources.items()]
    columns = ["scale", "set", "model", "here", "CMS paper", "difference", "original", "difference"]
    return Table("Table 2: PSNR / SSIM beside published scores", columns, rows, plain, notes)


def _beside(record: Record, printed: Score | None) -> tuple[str, str]:
    """Returns a published score and the difference of ours to it."""
    if printed is None:
        return "-", "-"
    return printed.text, f"{round(record['psnr'] - printed.psnr, 2) + 0.0:+.2f}"  # + 0.0: no -0.00
