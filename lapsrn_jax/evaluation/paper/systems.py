"""The systems that the CMS-LapSRN paper compares, and its Table 1 computed from the networks."""

from typing import NamedTuple

from lapsrn_jax.evaluation.paper.costs import OUTPUT, cost
from lapsrn_jax.evaluation.paper.published import CMS_PAPER, MULTIPLY_ADDS, TABLE_1
from lapsrn_jax.evaluation.tables import Table
from lapsrn_jax.models import DRCN, DRRN, MDSR, VDSR, LapSRN, Pyramid, SuperResolver, Tying

SCALE = 4  # of the paper's Table 1


class System(NamedTuple):
    """A row of Table 1.

    Attributes:
      model: the network as its authors built it; pyramids have no biases, as in the paper's counts.
      interpolates: whether the network's input is an interpolated image.
      global_skip: whether the network learns the residual to an enlarged input.
      local_skip: whether the network has skip connections between features.
    """

    model: SuperResolver
    interpolates: bool
    global_skip: bool
    local_skip: bool


SYSTEMS = {
    "VDSR": System(VDSR(), True, True, False),
    "DRCN": System(DRCN(), True, True, False),
    "DRRN": System(DRRN(), True, True, True),
    "MDSR": System(MDSR(), False, False, True),
    "LapSRN": System(LapSRN(levels=2), False, True, False),
    "MS-LapSRN": System(Pyramid(), False, True, True),
    "CMS-LapSRN (1st)": System(Pyramid(tying=Tying(layer=1)), False, True, True),
    "CMS-LapSRN (3rd)": System(Pyramid(tying=Tying(layer=3)), False, True, True),
    "CMS-LapSRN (5th)": System(Pyramid(tying=Tying(layer=5)), False, True, True),
}

NOTES = (
    "MDSR's printed depth counts 80 blocks of two convolutions, the first and the last; ours also counts the four of "
    "the x4 head, the last of the body and the two of the upsampler.",
    "LapSRN's printed multiply-adds include products with the zeros between a transposed convolution's inputs; ours do "
    "not.",
)


def name_of(model: SuperResolver) -> str | None:
    """Returns the system that a model is, regardless of size and biases; None if it is none of them."""
    if isinstance(model, Pyramid):
        if model.tying is None:
            return "MS-LapSRN"
        ordinal = {1: "1st", 3: "3rd", 5: "5th"}.get(model.tying.layer)
        return f"CMS-LapSRN ({ordinal})" if ordinal and model.tying.strength == "hard" else None
    return next((name for name, system in SYSTEMS.items() if type(system.model) is type(model)), None)


def variant_of(model: SuperResolver) -> str | None:
    """Like `name_of`, but with depth and recursions of an MS-LapSRN in its authors' notation: "MS-LapSRN D5R8"."""
    if isinstance(model, Pyramid) and model.tying is None:
        return f"MS-LapSRN D{model.depth}R{model.recursions}"
    return name_of(model)


def table_1() -> Table:
    """Computes Table 1: the components and costs of the systems at x4."""
    rows, records = [], []
    for name, system in SYSTEMS.items():
        counted, printed = cost(system.model, SCALE), TABLE_1[name.split(" (")[0]]
        filters, billions = system.model.features, counted.multiply_adds / 1e9
        progressive = isinstance(system.model, Pyramid | LapSRN)
        their_billions = printed.billions.get(SCALE)
        rows.append([
            name, "pre" if system.interpolates else "post", "progressive" if progressive else "direct",
            _mark(system.global_skip), _mark(system.local_skip), _beside(counted.depth, printed.depth),
            _beside(filters, printed.filters), f"{counted.parameters:,}", printed.parameters,
            _agreement(counted.parameters, printed.parameters), f"{billions:,.1f}",
            f"{their_billions:,.1f}" if their_billions else "-",
        ])  # fmt: skip
        records.append({
            "system": name, "upsampling": "pre" if system.interpolates else "post",
            "reconstruction": "progressive" if progressive else "direct", "global_skip": system.global_skip,
            "local_skip": system.local_skip, "depth": counted.depth, "printed_depth": printed.depth,
            "filters": filters, "printed_filters": printed.filters, "parameters": counted.parameters,
            "printed_parameters": printed.parameters, "multiply_adds": counted.multiply_adds,
            "printed_billion_multiply_adds": their_billions,
        })  # fmt: skip
    columns = ["system", "upsampling", "reconstruction", "global skip", "local skip", "depth", "filters", "parameters",
               "printed", "agreement", "G multiply-adds", "printed"]  # fmt: skip
    notes = (
        "All numbers are counted from this project's networks. The pyramids have no biases, as in the paper's counts; "
        "the others have biases. Parentheses show the printed number where it differs.",
        f"Multiply-adds are of the convolutions, for an output of {OUTPUT[0]} x {OUTPUT[1]} at x{SCALE}.",
        f"Printed: {CMS_PAPER}, Table 1; multiply-adds: {MULTIPLY_ADDS}.",
        *NOTES,
    )
    return Table("Table 1: the systems compared, x4", columns, rows, records, notes)


def _mark(value: bool) -> str:
    return "yes" if value else "no"


def _beside(counted: int, printed: int) -> str:
    return str(counted) if counted == printed else f"{counted} ({printed})"


def _agreement(counted: int, printed: str) -> str:
    thousands = int(printed.removesuffix("k"))
    if counted // 1000 == thousands:
        return "equal" if round(counted, -3) == 1000 * thousands else "equal, cut to thousands"
    return "equal, rounded to 0.1 M" if round(counted, -5) == 1000 * thousands else f"{counted - 1000 * thousands:+,}"
