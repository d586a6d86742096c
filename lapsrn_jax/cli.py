"""The `lapsrn` command."""

import argparse
import pathlib
import re

from lapsrn_jax.errors import UserError, reported


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line (the process's own if `arguments` is None) and runs what it asks for."""
    parser = argparse.ArgumentParser(prog="lapsrn", description="Laplacian-pyramid super-resolution.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    upscale = commands.add_parser("upscale", help="enlarge pictures")
    upscale.add_argument("input", nargs="+", help="files, folders (to any depth), patterns, or - for standard input")
    upscale.add_argument("-o", "--output", required=True, help="a file, a folder for several, or - for standard output")
    size = upscale.add_argument_group("size")
    size.add_argument("--scale", type=float, help="how many times as wide and high: 2, 3, 1.5, ... (default: 4)")
    size.add_argument("--width", type=_count, help="in pixels, instead; the height follows")
    size.add_argument("--height", type=_count, help="in pixels, instead; the width follows")
    quality = upscale.add_argument_group("network")
    quality.add_argument(
        "--weights", default="cms-lapsrn", help="%(default)s, a run folder, a .safetensors or an authors' .mat file"
    )
    quality.add_argument("--fast", action="store_true", help="half the recursions: faster, a little less quality")
    quality.add_argument("--self-ensemble", action="store_true", help="eight times the work for a little more quality")
    quality.add_argument("--device", help="cpu or cuda (default: the fastest that there is)")
    quality.add_argument(
        "--max-memory", type=_bytes, metavar="SIZE", help="such as 2G: what to take at most (default: half of the free)"
    )
    result = upscale.add_argument_group("result")
    result.add_argument("--format", help="png, jpg, ...: of results in a folder (default: as the source) or stream")
    result.add_argument("--strip", action="store_true", help="leave out EXIF, XMP and resolution; the colours stay")
    result.add_argument("--report", type=pathlib.Path, help="a JSON file for what was done, skipped and failed")
    upscale.set_defaults(run=_upscale)

    export = commands.add_parser("export", help="write a network for other programs: ONNX or StableHLO")
    export.add_argument("output", help="the file; its suffix, .onnx or .stablehlo, says the format")
    export.add_argument("--scale", type=int, default=4, help="how many times as wide and high (default: 4)")
    export.add_argument(
        "--weights", default="cms-lapsrn", help="%(default)s, a run folder, a .safetensors or an authors' .mat file"
    )
    export.set_defaults(run=_export)

    prepare = commands.add_parser("prepare", help="download data, check it, put it where it can be used")
    data = prepare.add_subparsers(required=True, metavar="DATA")

    div2k = data.add_parser("div2k", help="the 800 + 100 photographs of DIV2K, for training (4 GB to download)")
    div2k.add_argument("--folder", type=pathlib.Path, default="data/DIV2K", help="where to (default: %(default)s)")
    div2k.add_argument("--url", help="another place that has the archives")
    div2k.set_defaults(run=_prepare_div2k)

    benchmarks = data.add_parser("benchmarks", help="Set5, Set14, BSD100, Urban100 and, if you have it, Manga109")
    benchmarks.add_argument(
        "--folder", type=pathlib.Path, default="data/benchmarks", help="where to (default: %(default)s)"
    )
    benchmarks.add_argument("--url", help="another place with the layout of the folder data of SelfExSR's repository")
    benchmarks.add_argument("--manga109", type=pathlib.Path, metavar="FOLDER", help="your copy of Manga109")
    benchmarks.set_defaults(run=_prepare_benchmarks)

    tables = commands.add_parser("tables", help="the CMS-LapSRN paper's tables, made anew beside what it printed")
    numbers = tables.add_subparsers(required=True, metavar="NUMBER")

    first = numbers.add_parser("1", help="what the compared systems are made of, counted from the networks")
    first.set_defaults(run=_table_1)

    second = numbers.add_parser("2", help="PSNR and SSIM of networks on sets of pictures, then quality against cost")
    _add_weights(second)
    second.add_argument(
        "--data", required=True, nargs="+", metavar="FOLDER", help="each a set, or a folder of Set5, Set14, ..."
    )
    second.add_argument("--scales", type=int, nargs="+", default=[2, 4, 8], help="to score (default: 2 4 8)")
    second.add_argument("--protocol", choices=("A", "B"), default="A", help="B rounds the low-resolution image")
    second.add_argument("--plot", type=pathlib.Path, help="a picture of quality against cost: .png, .pdf or .svg")
    second.set_defaults(run=_table_2)

    for table in (first, second):
        table.add_argument("--format", choices=("markdown", "csv", "latex", "json"), default="markdown")
        table.add_argument("-o", "--output", type=pathlib.Path, help="a file for it, instead of the terminal")

    figure = commands.add_parser("figure", help="the crop of a picture as networks have it, beside the original")
    figure.add_argument("images", nargs="+", metavar="IMAGE", help="the originals; each is a row of the figure")
    _add_weights(figure)
    figure.add_argument("--scale", type=int, default=4, help="by which it is shrunk and enlarged (default: 4)")
    figure.add_argument("--crop", metavar="X,Y,W,H", help="in pixels; the one that tells most if not given")
    figure.add_argument("-o", "--output", required=True, help="the figure, such as figure.png")
    figure.set_defaults(run=_figure)

    options = parser.parse_args(arguments)
    with reported():
        options.run(options)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of pixels")
    return int(text)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of memory, such as 500M or 2G")
    return int(float(match[1]) * 2 ** (10 * " KMGT".index(match[2].upper() or " ")))


def _upscale(options: argparse.Namespace) -> None:
    from lapsrn_jax.upscaling.command import run

    run(options)


def _export(options: argparse.Namespace) -> None:
    from lapsrn_jax.interop.export import export_model
    from lapsrn_jax.weights.files import load_weights, read_info

    export_model(options.output, *load_weights(options.weights), options.scale, read_info(options.weights))


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", nargs="+", default=["CMS-LapSRN=cms-lapsrn", "MS-LapSRN=ms-lapsrn"], metavar="NAME=PATH",
        help="a network by the name it shall have: a run folder, a .safetensors or an authors' .mat file, or (default) "
        "cms-lapsrn and ms-lapsrn, which come with the package",
    )  # fmt: skip


def _table_1(options: argparse.Namespace) -> None:
    from lapsrn_jax.evaluation.systems import table_1
    from lapsrn_jax.evaluation.tables import check_output, write_tables

    check_output(options.output)
    write_tables([table_1()], options.format, options.output)


def _table_2(options: argparse.Namespace) -> None:
    from lapsrn_jax.evaluation.protocol import Protocol
    from lapsrn_jax.evaluation.quality import networks_of, score, sets_of, table_2
    from lapsrn_jax.evaluation.tables import check_output, write_tables
    from lapsrn_jax.evaluation.tradeoffs import check_plot, plot_costs, table_of_costs

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


def _figure(options: argparse.Namespace) -> None:
    from lapsrn_jax.evaluation.qualitative import parse_crop, qualitative
    from lapsrn_jax.evaluation.quality import networks_of
    from lapsrn_jax.images.formats import format_of
    from lapsrn_jax.images.io import write_image

    format_of(options.output)
    crop = parse_crop(options.crop) if options.crop else None
    networks = networks_of(options.weights)
    write_image(options.output, qualitative(options.images, networks, options.scale, crop))


def _prepare_div2k(options: argparse.Namespace) -> None:
    from lapsrn_jax.data import div2k

    div2k.prepare_div2k(options.folder, options.url or div2k.URL)


def _prepare_benchmarks(options: argparse.Namespace) -> None:
    from lapsrn_jax.data.benchmarks import prepare_benchmarks

    prepare_benchmarks(options.folder, options.url, options.manga109)


if __name__ == "__main__":
    main()
