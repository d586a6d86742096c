"""`lapsrn tables`: reproduces the tables of the CMS-LapSRN paper next to its printed numbers."""

import argparse
import pathlib
from typing import Any

from lapsrn_jax.cli.options import add_json, add_networks, add_scoring, check_output


def add_to(commands: Any) -> None:
    """Declares the command."""
    parser = commands.add_parser("tables", help="regenerate the tables of the CMS-LapSRN paper beside its numbers")
    numbers = parser.add_subparsers(required=True, metavar="NUMBER")

    first = numbers.add_parser("1", help="parameters, depth and cost of the compared networks")
    first.set_defaults(run=run_1)

    second = numbers.add_parser("2", help="scores next to published ones, and quality against cost")
    add_networks(second, ["CMS-LapSRN=cms-lapsrn", "MS-LapSRN=ms-lapsrn"])
    add_scoring(second)
    second.add_argument(
        "--plot", type=pathlib.Path, metavar="FILE", help="draw quality against cost to this .png, .pdf or .svg file"
    )
    second.set_defaults(run=run_2)

    for table in (first, second):
        table.add_argument(
            "--format",
            choices=("markdown", "csv", "latex", "json"),
            default="markdown",
            help="format of the tables (default: markdown)",
        )
        table.add_argument(
            "-o",
            "--output",
            type=pathlib.Path,
            metavar="FILE",
            help="write the tables to this file instead of the terminal",
        )
        add_json(table, "the numbers")


def run_1(options: argparse.Namespace) -> None:
    """Prints Table 1."""
    from lapsrn_jax.evaluation.paper.systems import table_1

    check_output(options.output, options.json)
    _write([table_1()], options)


def run_2(options: argparse.Namespace) -> None:
    """Scores the networks and prints Table 2 and a table of their costs."""
    from lapsrn_jax.cache import keep_compiled
    from lapsrn_jax.data.sources import evaluation_sets
    from lapsrn_jax.evaluation.networks import read_networks
    from lapsrn_jax.evaluation.paper.quality import evaluate_readings, table_2
    from lapsrn_jax.evaluation.paper.tradeoffs import check_plot, plot_costs, table_of_costs
    from lapsrn_jax.evaluation.protocol import Protocol

    check_output(options.output, options.json)
    keep_compiled()
    networks, sets = read_networks(options.weights), evaluation_sets(options.data)
    if options.plot:
        check_plot(options.plot, networks, options.scales)
    records = evaluate_readings(networks, sets, options.scales, Protocol(options.protocol))
    costs = table_of_costs(networks, records)
    _write([table_2(networks, records, options.scales), costs], options)
    if options.plot:
        plot_costs(costs, options.plot)


def _write(tables: Any, options: argparse.Namespace) -> None:
    from lapsrn_jax.evaluation.tables import write_tables

    write_tables(tables, options.format, options.output)
    if options.json:
        write_tables(tables, "json", options.json)
