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

    export = commands.add_parser("export", help="write a network for other programs: ONNX or StableHLO")
    export.add_argument("output", help="the file; its suffix, .onnx or .stablehlo, says the format")
    export.add_argument("--scale", type=int, default=4, help="how many times as wide and high (default: 4)")
    export.add_argument("--weights", required=True, help="a run folder, a .safetensors or an authors' .mat file")
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


def _export(options: argparse.Namespace) -> None:
    from lapsrn_jax.interop.export import export_model
    from lapsrn_jax.weights.files import load_weights, read_info

    export_model(options.output, *load_weights(options.weights), options.scale, read_info(options.weights))


def _prepare_div2k(options: argparse.Namespace) -> None:
    from lapsrn_jax.data import div2k

    div2k.prepare_div2k(options.folder, options.url or div2k.URL)


def _prepare_benchmarks(options: argparse.Namespace) -> None:
    from lapsrn_jax.data.benchmarks import prepare_benchmarks

    prepare_benchmarks(options.folder, options.url, options.manga109)


if __name__ == "__main__":
    main()
