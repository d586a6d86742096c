"""The `lapsrn` command."""

import argparse
import pathlib

from lapsrn_jax.errors import UserError, reported


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line (the process's own if `arguments` is None) and runs what it asks for."""
    parser = argparse.ArgumentParser(prog="lapsrn", description="Laplacian-pyramid super-resolution.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    upscale = commands.add_parser("upscale", help="enlarge a picture")
    upscale.add_argument("input", help="the picture: PNG, JPEG, WebP, TIFF or BMP")
    upscale.add_argument("-o", "--output", required=True, help="the larger picture; its suffix says the format")
    upscale.add_argument("--scale", type=float, default=4, help="how many times as wide and high (default: 4)")
    upscale.add_argument("--weights", required=True, help="a run folder, a .safetensors or an authors' .mat file")
    upscale.set_defaults(run=_upscale)

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


def _upscale(options: argparse.Namespace) -> None:
    from lapsrn_jax.images.io import check_writable_format, read_image, to_float, to_uint8, write_image
    from lapsrn_jax.upscaling.upscale import Upscaler
    from lapsrn_jax.weights.files import load_weights

    output = pathlib.Path(options.output)
    check_writable_format(output)
    image = read_image(options.input)
    if output.exists() and output.samefile(options.input):
        raise UserError(f"{output} is the input itself: give another --output")
    upscale = Upscaler(*load_weights(options.weights))
    enlarged = to_uint8(upscale(to_float(image), options.scale))
    write_image(output, enlarged)
    print(f"{output}: {enlarged.shape[1]} x {enlarged.shape[0]} pixels")


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", nargs="+", default=[], metavar="NAME=PATH",
        help="a network by the name it shall have, from a run folder, a .safetensors or an authors' .mat file",
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
        if not options.weights:
            raise UserError("--plot needs networks: name some with --weights")
    networks, sets = networks_of(options.weights), sets_of(options.data)
    records = score(networks, sets, options.scales, Protocol(options.protocol))
    costs = table_of_costs(networks, records)
    write_tables([table_2(networks, records, options.scales), costs], options.format, options.output)
    if options.plot:
        plot_costs(costs, options.plot)


def _figure(options: argparse.Namespace) -> None:
    from lapsrn_jax.evaluation.qualitative import parse_crop, qualitative
    from lapsrn_jax.evaluation.quality import networks_of
    from lapsrn_jax.images.io import check_writable_format, write_image

    check_writable_format(options.output)
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
