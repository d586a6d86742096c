"""Table 2 of the CMS-LapSRN paper: what networks score, beside what was printed."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn

from lapsrn_jax.data.sources import Picture, evaluation_pictures
from lapsrn_jax.errors import UserError
from lapsrn_jax.evaluation.paper.published import CMS_PAPER, SETS, Score, cms_score, original_score
from lapsrn_jax.evaluation.paper.systems import name_of, variant_of
from lapsrn_jax.evaluation.protocol import Protocol, Upscale, bicubic
from lapsrn_jax.evaluation.scoring import Record, evaluate
from lapsrn_jax.evaluation.tables import Table
from lapsrn_jax.models import LapSRN
from lapsrn_jax.upscaling.upscale import Upscaler
from lapsrn_jax.weights.files import load_weights

GRAY_AS_RGB = " (gray as RGB)"


class Network(NamedTuple):
    """A way to upscale that stands in a table.

    Attributes:
      name: its name there.
      model: the network; None for bicubic interpolation.
      upscale: what enlarges.
    """

    name: str
    model: nn.Module | None
    upscale: Upscale

    def has(self, scale: int) -> bool:
        """Whether it makes images of this scale, and not by shrinking larger ones."""
        return self.model is None or scale in self.model.scales

    def printed(self, set_name: str, scale: int) -> tuple[Score | None, Score | None, str | None]:
        """What the CMS-LapSRN paper prints for such a network, what its own authors do, and the source of that.

        Papers train one LapSRN for each scale: what a larger one has on its way there is another thing.
        """
        if self.model is None:
            return cms_score("bicubic", set_name, scale), None, None
        if isinstance(self.model, LapSRN) and scale != max(self.model.scales):
            return None, None, None
        original = original_score(variant_of(self.model) or "", set_name, scale) or (None, None)
        return cms_score(name_of(self.model) or "", set_name, scale), *original


def networks_of(weights: Sequence[str]) -> list[Network]:
    """Bicubic interpolation, and the networks that "NAME=PATH" name, PATH as `load_weights` takes it.

    Raises:
      UserError: no such form, a name given twice, or weights that cannot be read.
    """
    networks = [Network("bicubic", None, bicubic)]
    for each in weights:
        name, equals, path = each.partition("=")
        if not (name and equals and path):
            raise UserError(f"--weights takes NAME=PATH, such as CMS=runs/cms_x4; got {each!r}")
        if name in (network.name for network in networks):
            raise UserError(f"two rows of the table would be called {name}: give another NAME in --weights")
        model, params = load_weights(path)
        networks.append(Network(name, model, Upscaler(model, params)))
    return networks


def sets_of(folders: Sequence[str]) -> dict[str, list[Picture]]:
    """The sets of pictures by name: each folder is one, or holds some of the papers' (Set5, Set14, ...).

    Raises:
      UserError: no such folder, no picture in it, or two sets of one name.
    """
    sets: dict[str, list[Picture]] = {}
    for folder in folders:
        inside = [str(pathlib.Path(folder) / name) for name in SETS if (pathlib.Path(folder) / name).is_dir()]
        for source in inside or [folder]:
            name = pathlib.Path(source).resolve().name
            if name in sets:
                raise UserError(f"two sets of --data are named {name}: leave one out")
            sets[name] = evaluation_pictures(source)
    return sets


def score(
    networks: Sequence[Network], sets: Mapping[str, Sequence[Picture]], scales: Sequence[int], protocol: Protocol
) -> list[Record]:
    """Mean scores of each network at each of its scales on each set.

    A set with gray pictures comes twice, the second time under its name and `GRAY_AS_RGB`.
    """
    records: list[Record] = []
    for scale in scales:
        upscalers = {network.name: network.upscale for network in networks if network.has(scale)}
        for name, pictures in sets.items():
            gray = [picture for picture in pictures if picture.read().ndim == 2]
            colour = [picture for picture in pictures if picture not in gray]
            run = functools.partial(evaluate, upscalers, scales=[scale])
            of_colour = run({name: colour}, protocol=protocol) if colour else []
            for suffix, as_rgb in (("", False), (GRAY_AS_RGB, True)) if gray else ():
                reading = Protocol(protocol.name, gray_as_rgb=as_rgb)
                of_gray = run({name + suffix: gray}, protocol=reading)
                records += [_mean(*both) for both in zip(of_gray, of_colour, strict=True)] if colour else of_gray
            records += [] if gray else of_colour
    return records


def _mean(a: Record, b: Record) -> Record:
    """The record of the pictures of both; all but the scores as in `a`."""
    images = a["images"] + b["images"]

    def mean(x: float, y: float) -> float:
        return (a["images"] * x + b["images"] * y) / images

    return a | {"psnr": mean(a["psnr"], b["psnr"]), "ssim": mean(a["ssim"], b["ssim"]), "images": images}


def table_2(networks: Sequence[Network], records: Sequence[Record], scales: Sequence[int]) -> Table:
    """Scores beside printed ones: the CMS-LapSRN paper's, and those of each system's own authors."""
    by_name = {network.name: network for network in networks}
    rows: list[list[str]] = []
    plain: list[dict[str, Any]] = []
    sources: dict[str, set[str]] = {}
    for record in records:
        network = by_name[record["model"]]
        cms, original, source = network.printed(record["set"].removesuffix(GRAY_AS_RGB), record["scale"])
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
            f"{' and '.join(twice)} with gray pictures: once with gray left gray, as the papers' bicubic rows need it, "
            "once scored as the luminance of RGB, as the LapSRN authors' rows need it."
        )
    present = {record["set"].removesuffix(GRAY_AS_RGB) for record in records}
    missing = [name for name in SETS if name not in present]
    if missing:
        notes.append(f"Not scored, for no --data names them: {', '.join(missing)}.")
    notes += [
        f"{network.name} has no {', '.join(f'x{scale}' for scale in scales if not network.has(scale))}."
        for network in networks
        if not all(map(network.has, scales))
    ]
    notes.append(f"CMS paper: {CMS_PAPER}, Table 2. Differences are ours minus theirs, PSNR in dB.")
    notes += [f"Original of {', '.join(sorted(names))}: {source}." for source, names in sources.items()]
    columns = ["scale", "set", "model", "here", "CMS paper", "difference", "original", "difference"]
    return Table("Table 2: PSNR / SSIM beside what was printed", columns, rows, plain, notes)


def _beside(record: Record, printed: Score | None) -> tuple[str, str]:
    """A printed score, and how much ours is above it."""
    if printed is None:
        return "-", "-"
    return printed.text, f"{round(record['psnr'] - printed.psnr, 2) + 0.0:+.2f}"  # + 0.0: no -0.00
