"""The options for results: quality, losslessness, background, names, and pictures that are large enough."""

import io
import json

import numpy as np
import PIL.Image
import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.formats import FORMAT_OF_SUFFIX, check_writable
from lapsrn_jax.photos.background import filled
from lapsrn_jax.photos.photo import samples_of
from lapsrn_jax.photos.reading import read_photo
from lapsrn_jax.photos.writing import write_photo
from lapsrn_jax.upscaling import picture
from tests.photos.pictures import PROFILE, encoded, exif, photo, smooth
from tests.upscaling.bicubic import Bicubic
from tests.upscaling.command import snapshot, upscale


@pytest.fixture(autouse=True)
def bicubic(monkeypatch):
    """The command with bicubic interpolation in place of its network."""
    monkeypatch.setattr("lapsrn_jax.upscaling.upscale.Upscaler", lambda *_, **__: Bicubic())


def size_with(like, name: str, **options) -> int:
    file = io.BytesIO()
    write_photo(file, like.pixels.shape[1::-1], [samples_of(like)], like, format=name, **options)
    return len(file.getvalue())


LOSSY = [name for name in ("JPEG", "WEBP", "AVIF", "HEIF") if name in {form.name for form in FORMAT_OF_SUFFIX.values()}]


@pytest.mark.parametrize("name", LOSSY)
def test_a_lower_quality_makes_a_smaller_file(name, rng):
    like = photo(rng.integers(0, 256, (64, 80, 3), np.uint8), "RGB", format="WEBP")
    assert size_with(like, name, quality=30) < size_with(like, name, quality=80)
    assert size_with(like, "PNG", quality=30) == size_with(like, "PNG")


@pytest.mark.parametrize("suffix", sorted(FORMAT_OF_SUFFIX))
def test_lossless_loses_nothing_or_is_refused(suffix, rng, tmp_path):
    like = photo(rng.integers(0, 256, (24, 30, 3), np.uint8), "RGB")
    path = tmp_path / f"a{suffix}"
    if FORMAT_OF_SUFFIX[suffix].lossless is None:
        with pytest.raises(UserError, match=r"(JPEG|AVIF|GIF) is lossy; write PNG or TIFF or WEBP"):
            write_photo(path, (30, 24), [like.pixels], like, lossless=True)
    else:
        write_photo(path, (30, 24), [like.pixels], like, lossless=True)
        np.testing.assert_array_equal(read_photo(path).pixels, like.pixels)
    assert path.exists() == (FORMAT_OF_SUFFIX[suffix].lossless is not None)


def test_a_lossless_webp_stays_lossless_unless_a_quality_is_given(rng):
    like = photo(rng.integers(0, 256, (64, 80, 3), np.uint8), "RGB", format="WEBP")
    assert size_with(like, "WEBP") == size_with(like, "WEBP", lossless=True) > size_with(like, "WEBP", quality=95)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["RGBA", "gray alpha"])
def test_a_background_shows_where_the_picture_is_transparent(kind, dtype):
    samples, peak = smooth(kind, dtype), np.iinfo(dtype).max
    samples[:9, :, -1], samples[-9:, :, -1] = 0, peak
    colour = (255, 128, 0) if kind == "RGBA" else (128, 128, 128)
    result = filled(photo(samples, kind), colour, "a.png")
    assert result.alpha is None
    assert result.pixels.dtype == dtype
    behind = np.array(colour[: samples.shape[2] - 1]) / 255
    assert np.abs(result.pixels[:9] / peak - behind).max() <= 0.5 / peak
    np.testing.assert_array_equal(result.pixels[-9:], samples[-9:, :, :-1])
    opacity = samples[:, :, -1:] / peak
    mixed = samples[:, :, :-1] / peak * opacity + behind * (1 - opacity)
    assert np.abs(result.pixels / peak - mixed).max() <= 0.51 / peak


def test_a_gray_picture_takes_a_gray_background_only():
    like = photo(smooth("gray alpha"), "gray alpha")
    with pytest.raises(UserError, match=r"b\.png is gray: give a gray --background, such as white"):
        filled(like, (255, 0, 0), "b.png")


def test_transparency_into_jpeg(tmp_path, capsys):
    PIL.Image.fromarray(smooth("RGBA")).save(tmp_path / "a.png")
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "a.jpg") == 2
    assert "JPEG cannot store transparency; write PNG or TIFF or WEBP" in (said := capsys.readouterr().err)
    assert "or fill it with --background" in said
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "a.jpg", "--background", "#ff8000") == 0
    assert read_photo(tmp_path / "a.jpg").alpha is None
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.jpg", "--background", "reddish") == 2
    assert "'reddish' is not a colour, such as white or #ff8000" in capsys.readouterr().err


def test_what_a_format_cannot_hold_is_refused_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(picture, "write_photo", lambda *_, **__: pytest.fail("the work has begun"))
    PIL.Image.fromarray(smooth("RGBA")).save(tmp_path / "a.png")
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "new" / "a.jpg") == 2
    assert "JPEG cannot store transparency" in capsys.readouterr().err
    PIL.Image.new("L", (5000, 1)).save(tmp_path / "b.png")
    assert upscale(tmp_path / "b.png", "-o", tmp_path / "new" / "b.jpg", "--scale", "16") == 2
    assert "JPEG allows at most 65500 pixels per side, not 80000 x 16" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_text_after_the_names(tmp_path, capsys):
    """Results may lie beside their sources, and are not enlarged again."""
    PIL.Image.fromarray(smooth("RGB")).save(tmp_path / "a.png")
    PIL.Image.fromarray(smooth("RGB")).save(tmp_path / "b.c.jpg")
    for _ in range(2):
        assert upscale(tmp_path, "-o", tmp_path, "--suffix", "_x4") == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a.png", "b.c.jpg", "a_x4.png", "b.c_x4.jpg", ".lapsrn.jsonl"}
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "z.png", "--suffix", "_x4") == 2
    assert "z.png is one file: leave out --suffix" in capsys.readouterr().err
    assert upscale(tmp_path / "a.png", "-o", tmp_path, "--suffix", "../x") == 2
    assert "holds a path separator" in capsys.readouterr().err


def test_large_pictures_are_copied(tmp_path, capsys):
    """Byte by byte, unless an option or the format asks for another file. Without the option, they fail."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "large.jpg").write_bytes(
        encoded(smooth("RGB"), "JPEG", quality=60, exif=b"Exif\0\0" + exif(6)).getvalue()
    )
    (source / "small.jpg").write_bytes(encoded(smooth("RGB")[:20, :20], "JPEG").getvalue())
    command = [source, "-o", target, "--width", "30", "--json", tmp_path / "report.json"]
    assert upscale(*command) == 1
    assert upscale(*command, "--copy-large") == 0
    assert "1 copied, 1 skipped" in capsys.readouterr().err
    assert snapshot(target)["large.jpg"] == snapshot(source)["large.jpg"]
    assert json.loads((tmp_path / "report.json").read_text())[0]["size"] == [37, 53]
    assert upscale(*command, "--copy-large") == 0
    assert "2 skipped" in capsys.readouterr().err
    assert upscale(*command, "--copy-large", "--strip") == 0
    large = read_photo(target / "large.jpg")
    assert (large.pixels.shape, large.exif) == ((53, 37, 3), None)
    assert upscale(source, "-o", target, "--copy-large", "--width", "30", "--format", "png") == 0
    np.testing.assert_array_equal(read_photo(target / "large.png").pixels, read_photo(source / "large.jpg").pixels)
    assert upscale(source, "-o", target, "--copy-large") == 2
    assert "--copy-large needs --width or --height" in capsys.readouterr().err


def test_a_picture_as_large_in_one_direction_only_is_no_copy(tmp_path, capsys):
    PIL.Image.fromarray(smooth("RGB")).save(tmp_path / "a.png")
    command = [tmp_path / "a.png", "-o", tmp_path / "b.png", "--copy-large"]
    assert upscale(*command, "--width", "54", "--height", "30") == 2
    assert "smaller than the picture" in capsys.readouterr().err
    assert upscale(*command, "--width", "53", "--height", "37") == 0


@pytest.mark.parametrize("shape", [(12, 30), (30, 12)])
def test_the_side_that_grows_most_must_be_within_the_network_s_scale(shape, tmp_path, capsys):
    PIL.Image.new("RGB", shape[::-1]).save(tmp_path / "a.png")
    height, width = (16 * side for side in shape)
    command = [tmp_path / "a.png", "-o", tmp_path / "b.png"]
    for size in ((height + 24, width - 24), (height - 24, width + 24)):
        assert upscale(*command, "--height", size[0], "--width", size[1]) == 2
        assert "this network enlarges by at most x16" in capsys.readouterr().err
    assert upscale(*command, "--height", height, "--width", width) == 0


def test_quality_and_lossless_exclude_each_other(tmp_path, capsys):
    assert upscale("a.png", "-o", "b.png", "--quality", "9", "--lossless") == 2
    assert "not allowed with argument" in capsys.readouterr().err
    assert upscale("a.png", "-o", "b.png", "--quality", "101") == 2
    assert "'101' is not a quality from 1 to 100" in capsys.readouterr().err


def test_the_command_passes_quality_and_losslessness_on(tmp_path, monkeypatch):
    PIL.Image.fromarray(smooth("RGB")).save(tmp_path / "a.png")
    calls, write = [], write_photo
    monkeypatch.setattr(
        picture, "write_photo", lambda *args, **options: calls.append(options) or write(*args, **options)
    )
    for options in (["--quality", "7"], ["--lossless"]):
        assert upscale(tmp_path / "a.png", "-o", tmp_path / "a.webp", *options, "--overwrite") == 0
    assert [(call["quality"], call["lossless"]) for call in calls] == [(7, False), (None, True)]


def test_heic(tmp_path):
    pytest.importorskip("pillow_heif")
    image = PIL.Image.fromarray(smooth("RGB"))
    image.save(tmp_path / "phone.heic", quality=90, exif=b"Exif\0\0" + exif(6), icc_profile=PROFILE)
    assert upscale(tmp_path / "phone.heic", "-o", tmp_path / "large.heic", "--scale", "2") == 0
    before, after = read_photo(tmp_path / "phone.heic"), read_photo(tmp_path / "large.heic")
    assert (before.format, before.pixels.shape) == ("HEIF", (53, 37, 3))
    assert (after.format, after.pixels.shape, after.icc_profile) == ("HEIF", (106, 74, 3), PROFILE)
    assert after.exif
    assert after.exif != before.exif  # it has the new size
    check_writable("a.heic", (9, 9), 3, alpha=True)


def test_heic_beyond_eight_bits_is_named(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.encode("RGB;16", (53, 37), smooth("RGB", np.uint16).tobytes(), tmp_path / "deep.heic")
    assert read_photo(tmp_path / "deep.heic").dropped == ("bits beyond 8 of 10 per sample",)


def test_a_sideways_png_is_sized_as_it_is_seen(tmp_path):
    """Stored with 53 columns and 37 rows, which would be too wide."""
    content = encoded(smooth("RGB"), "PNG", exif=b"Exif\0\0" + exif(6)).getvalue()
    (tmp_path / "a.png").write_bytes(content)
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.png", "--width", "40") == 0
    assert read_photo(tmp_path / "b.png").pixels.shape == (58, 40, 3)
