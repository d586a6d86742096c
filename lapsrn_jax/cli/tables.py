"""`lapsrn tables`: the CMS-LapSRN paper's tables, from networks, beside what it printed."""

import argparse
import pathlib
from typing import Any

from lapsrn_jax.cli.options import add_networks
from lapsrn_jax.errors import UserError


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("tables", help="the CMS-LapSRN paper's tables, from networks, beside what it printed")
    numbers = parser.add_subparsers(required=True, metavar="NUMBER")

    first = numbers.add_parser("1", help="what the compared systems are made of, counted from the networks")
    first.set_defaults(run=run_1)

    second = numbers.add_parser("2", help="PSNR and SSIM of networks on sets of pictures, then quality against cost")
    add_networks(second)
    second.add_argument(
        "--data", required=True, nargs="+", metavar="FOLDER", help="each a set, or a folder of Set5, Set14, ..."
    )
    second.add_argument("--scales", type=int, nargs="+", default=[2, 4, 8], help="to score (default: 2 4 8)")
    second.add_argument("--protocol", choices=("A", "B"), default="A", help="B rounds the low-resolution image")
    second.add_argument("--plot", type=pathlib.Path, help="a picture of quality against cost: .png, .pdf or .svg")
    second.set_defaults(run=run_2)

    for table in (first, second):
        table.add_argument("--format", choices=("markdown", "csv", "latex", "json"), default="markdown")
        table.add_argument("-o", "--output", type=pathlib.Path, help="a file for it, instead of the terminal")


def run_1(options: argparse.Namespace) -> None:
    """Prints Table 1."""
    from lapsrn_jax.evaluation.paper.systems import table_1
    from lapsrn_jax.evaluation.tables import check_output, write_tables

    check_output(options.output)
    write_tables([table_1()], options.format, options.output)


def run_2(options: argparse.Namespace) -> None:
    """Scores the networks; prints Table 2 and a table of their costs."""
    from lapsrn_jax.evaluation.paper.quality import networks_of, score, sets_of, table_2
    from lapsrn_jax.evaluation.paper.tradeoffs import check_plot, plot_costs, table_of_costs
    from lapsrn_jax.evaluation.protocol import Protocol
    from lapsrn_jax.evaluation.tables import check_output, write_tables

    check_output(options.output)
    if min(options.scales) < 2:
        raise UserError(f"--scales takes whole numbers above 1; got {min(options.scales)}")
    if options.plot:
        check_plot(options.plot)
    networks, sets = networks_of(options.weights), sets_of(options.data)
    records = score(networks, sets, options.scales, Protocol(options.protocol))
    costs = table_of_costs(networks, records)
    write_tables([table_2(networks, records, options.scales), costs], options.format, options.output)
    if options.plot:
        plot_costs(costs, options.plot)
