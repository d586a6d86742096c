"""Animations and documents with several pages: every frame and page, its time, and what shows through."""

import io
import json
from fractions import Fraction

import numpy as np
import PIL.Image
import pytest
import tifffile

import lapsrn_jax.api  # before the fixture below replaces `Upscaler`, which it imports
from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images, read_image
from lapsrn_jax.photos.pillow import from_pillow
from lapsrn_jax.photos.reading import open_album, read_photo
from lapsrn_jax.upscaling.photos import enlarged
from tests.photos.pictures import PROFILE, encoded, exif, smooth
from tests.tiny import photograph
from tests.upscaling.bicubic import Bicubic
from tests.upscaling.command import upscale

SECONDS = [Fraction(n, 100) for n in (7, 20, 3, 100, 41)]
ANIMATED = {"gif": "GIF", "png": "PNG", "webp": "WEBP"}


@pytest.fixture(autouse=True)
def bicubic(monkeypatch):
    """The command with bicubic interpolation in place of its network."""
    monkeypatch.setattr("lapsrn_jax.upscaling.upscale.Upscaler", lambda *_, **__: Bicubic())


def moving(rng, *, transparent: bool) -> list[np.ndarray]:
    """RGBA frames of few flat colours; two are equal, one differs in a corner, and holes come and go."""
    frames = []
    for _ in range(3):
        blocks = rng.integers(0, 256, (4, 6, 4), np.uint8)
        blocks[:, :, 3] = np.where(blocks[:, :, 3] < 90, 0, 255) if transparent else 255
        frames.append(np.kron(blocks, np.ones((5, 5, 1), np.uint8)))
    frames[1][-5:, -5:, 3] = 255
    corner = frames[1].copy()
    corner[-5:, -5:, :3] ^= 255
    return [frames[0], frames[1], frames[1], corner, frames[2]]


def save(path, frames, seconds=SECONDS, **options) -> None:
    """Writes an animation with Pillow. Each frame replaces the one before it."""
    images = [PIL.Image.fromarray(frame) for frame in frames]
    replace = {".gif": {"disposal": 2}, ".png": {"blend": 0}, ".webp": {"lossless": True, "exact": True}}[path.suffix]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=[float(1000 * s) for s in seconds]
        if path.suffix == ".png" else [int(1000 * s) for s in seconds], **replace, **options,
    )  # fmt: skip


def played(path) -> tuple[list[np.ndarray], list[Fraction], int | None]:
    """The frames, seconds and repetitions that a viewer shows, read by Pillow alone."""
    with PIL.Image.open(path) as image:
        frames, seconds = [], []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGBA")))
            seconds.append(Fraction(image.info["duration"] / 1000).limit_denominator(1000))
        return frames, seconds, image.info.get("loop")


def visible(frame: np.ndarray) -> np.ndarray:
    return frame * (frame[:, :, 3:] > 0)


def distinct(rng, *, transparent: bool) -> list[np.ndarray]:
    """Pillow drops frames that equal the one before them, so the sources of some tests have none."""
    frames = moving(rng, transparent=transparent)
    return [frame for number, frame in enumerate(frames) if number != 2]


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("target", ANIMATED)
@pytest.mark.parametrize("source", ANIMATED)
def test_every_frame_is_enlarged_and_keeps_its_time(tmp_path, rng, source, target, transparent):
    frames = distinct(rng, transparent=transparent)
    path, result = tmp_path / f"a.{source}", tmp_path / f"b.{target}"
    save(path, frames, SECONDS[: len(frames)], loop=3)
    report = tmp_path / "report.json"
    option = "--lossless" if target == "webp" else "--strip"
    assert upscale(path, "-o", result, "--scale", "2", "--json", report, option) == 0
    assert json.loads(report.read_text())[0]["images"] == len(frames)
    found, seconds, _ = played(result)
    assert seconds == SECONDS[: len(frames)]
    with open_album(path) as album:
        expected = [np.concatenate(list(enlarged(f.photo, Bicubic(), (40, 60)))) for f in album.frames]
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        if target == "gif":
            np.testing.assert_array_equal(got[:, :, 3] > 0, want[:, :, 3] >= 128)
            opaque = got[:, :, 3] > 0
            assert np.abs(got[opaque].astype(int) - want[opaque])[:, :3].mean() < 6  # 255 colours
        else:
            np.testing.assert_array_equal(visible(got), visible(want))


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("name", ANIMATED)
def test_the_writers_keep_every_frame(tmp_path, rng, name, transparent):
    """Also one that equals the frame before it, or differs in a corner. A hole shows nothing of earlier frames."""
    from lapsrn_jax.photos.photo import Album
    from lapsrn_jax.photos.writing_album import Part, write_album

    frames, like = moving(rng, transparent=transparent), read_photo(encoded(smooth("RGB"), "PNG"))
    like = type(like)(np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), np.uint8), format="WEBP")
    parts = iter([Part([frame], like, s) for frame, s in zip(frames, SECONDS, strict=True)])
    write_album(tmp_path / f"a.{name}", [(30, 20)] * 5, parts, Album([], iter([]), plays=4))
    found, seconds, loop = played(tmp_path / f"a.{name}")
    assert (seconds, loop) == (SECONDS, 3 if name == "gif" else 4)  # GIF counts repetitions
    for got, want in zip(found, frames, strict=True):
        np.testing.assert_array_equal(visible(got), visible(want))
    with open_album(tmp_path / f"a.{name}") as album:
        assert album.plays == 4


def test_times_that_a_format_cannot_store_add_up(tmp_path, rng):
    """Thirtieths of a second in hundredths and thousandths."""
    frames, thirtieth = distinct(rng, transparent=False) * 8, Fraction(1, 30)
    save(tmp_path / "a.png", frames, [thirtieth] * len(frames))
    _, source, _ = played(tmp_path / "a.png")  # older versions of Pillow write thousandths
    for name in ANIMATED:
        assert upscale(tmp_path / "a.png", "-o", tmp_path / f"x.{name}", "--scale", "2") == 0
        _, seconds, _ = played(tmp_path / f"x.{name}")
        assert abs(sum(seconds) - sum(source)) <= Fraction(1, 200)
        assert max(abs(s - thirtieth) for s in seconds) < Fraction(1, 100)
        assert name != "png" or seconds == source


@pytest.mark.parametrize(("loop", "plays"), [(0, 0), (1, 1), (7, 7)])
@pytest.mark.parametrize("source", ["png", "webp"])
def test_repetitions_survive_every_way(tmp_path, rng, source, loop, plays):
    save(tmp_path / f"a.{source}", distinct(rng, transparent=False), SECONDS[:4], loop=loop)
    before = tmp_path / f"a.{source}"
    for target in ("gif", "webp", "png"):
        after = tmp_path / f"{loop}{target}.{target}"
        assert upscale(before, "-o", after, "--scale", "2") == 0
        with open_album(after) as album:
            assert album.plays == plays
        before = after


def test_a_gif_without_a_loop_plays_once(tmp_path, rng):
    save(tmp_path / "a.gif", distinct(rng, transparent=False), SECONDS[:4])
    assert upscale(tmp_path / "a.gif", "-o", tmp_path / "b.gif", "--scale", "2") == 0
    assert played(tmp_path / "b.gif")[2] is None


def test_a_fallback_stays_a_fallback(tmp_path, rng):
    """It is no frame of the animation, and other formats have no place for it."""
    frames = distinct(rng, transparent=False)
    save(tmp_path / "a.png", frames, SECONDS[:3], default_image=True)
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.png", "--scale", "2") == 0
    with PIL.Image.open(tmp_path / "b.png") as image:
        assert (image.n_frames, image.default_image) == (4, True)
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.webp", "--scale", "2") == 0
    assert played(tmp_path / "b.webp")[1] == SECONDS[:3]


def test_the_metadata_of_an_animation(tmp_path, rng):
    save(
        tmp_path / "a.png",
        distinct(rng, transparent=True),
        SECONDS[:4],
        icc_profile=PROFILE,
        exif=b"Exif\0\0" + exif(6),
    )
    for name in ("png", "webp"):
        assert upscale(tmp_path / "a.png", "-o", tmp_path / f"x.{name}", "--scale", "2") == 0
        with open_album(tmp_path / f"x.{name}") as album:
            photo = next(album.frames).photo
        assert (photo.pixels.shape, photo.icc_profile) == ((60, 40, 3), PROFILE)  # turned upright
        assert photo.exif


def test_a_background_for_an_animation(tmp_path, rng):
    save(tmp_path / "a.gif", distinct(rng, transparent=True), SECONDS[:4])
    assert upscale(tmp_path / "a.gif", "-o", tmp_path / "b.png", "--scale", "2", "--background", "white") == 0
    assert all((frame[:, :, 3] == 255).all() for frame in played(tmp_path / "b.png")[0])


def test_animations_and_documents_need_a_format_that_holds_them(tmp_path, rng, capsys):
    save(tmp_path / "a.gif", distinct(rng, transparent=False), SECONDS[:4])
    assert upscale(tmp_path / "a.gif", "-o", tmp_path / "a.jpg", "--scale", "2") == 2
    assert "is an animation, and JPEG holds one picture; write PNG or WEBP or GIF instead" in capsys.readouterr().err
    (tmp_path / "a.tif").write_bytes(document(rng))
    assert upscale(tmp_path / "a.tif", "-o", tmp_path / "b.png", "--scale", "2") == 2
    assert "is a document of 3 pages, and PNG holds one picture; write TIFF instead" in capsys.readouterr().err
    with pytest.raises(UserError, match="holds 4 pictures: save the one to enlarge"):
        lapsrn_jax.upscale(tmp_path / "a.gif", 2)
    with PIL.Image.open(tmp_path / "a.gif") as image:
        with pytest.raises(UserError, match=r"holds 4 pictures: pass image\.copy\(\) for the one it shows"):
            from_pillow(image)
        image.seek(2)
        np.testing.assert_array_equal(from_pillow(image.copy()).pixels, np.asarray(image.convert("RGB")))


def document(rng) -> bytes:
    """Pages of different sizes, kinds and metadata, in the byte order of Motorola, with a preview between them."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=">") as tiff:
        tiff.write(photograph(rng, 9, 14), photometric="rgb", description="first", iccprofile=PROFILE, metadata=None)
        tiff.write(photograph(rng, 5, 7), photometric="rgb", subfiletype=1, metadata=None)
        tiff.write(rng.integers(0, 2**16, (11, 8), np.uint16), photometric="minisblack", metadata=None, software=False)
        last = rng.integers(0, 256, (6, 8, 4), np.uint8)
        tiff.write(last, photometric="rgb", extrasamples=["unassalpha"], description="third", metadata=None,
                   resolution=(150, 300), resolutionunit=2)  # fmt: skip
    return file.getvalue()


def test_every_page_of_a_document(tmp_path, rng):
    (tmp_path / "a.tif").write_bytes(document(rng))
    assert upscale(tmp_path / "a.tif", "-o", tmp_path / "b.tif", "--scale", "2") == 0
    with open_album(tmp_path / "a.tif") as before, open_album(tmp_path / "b.tif") as after:
        assert after.shapes == [(18, 28), (22, 16), (12, 16)]
        pages = list(after.frames)
        for (old, _), (new, _), shape in zip(before.frames, pages, after.shapes, strict=True):
            expected = np.concatenate(list(enlarged(old, Bicubic(), shape)))
            np.testing.assert_array_equal(new.pixels, expected[:, :, : new.pixels.shape[2]])
            assert (new.alpha is None, new.dpi, new.icc_profile) == (old.alpha is None, old.dpi, old.icc_profile)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:  # another reader
        assert [page.description for page in tiff.pages] == ["first", "", "third"]
        assert [page.dtype for page in tiff.pages] == [np.uint8, np.uint16, np.uint8]


def test_pages_that_form_a_loop_are_damage(tmp_path, rng):
    content = bytearray(document(rng))
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        last, first = tiff.pages[3], tiff.pages[0].offset
        end = last.offset + 2 + 12 * len(last.tags)
    content[end : end + 4] = first.to_bytes(4, "big")
    with pytest.raises(UserError, match="damaged or unreadable"), open_album(io.BytesIO(content)):
        pass


@pytest.mark.parametrize("name", ANIMATED)
def test_a_damaged_frame_is_an_error_and_leaves_nothing(tmp_path, rng, name, capsys):
    frames = [photograph(rng, 40, 50) for _ in range(4)]
    save(tmp_path / f"a.{name}", [np.dstack([f, np.full(f.shape[:2], 255, np.uint8)]) for f in frames], SECONDS[:4])
    content = (tmp_path / f"a.{name}").read_bytes()
    (tmp_path / f"a.{name}").write_bytes(content[: len(content) * 2 // 3])
    assert upscale(tmp_path / f"a.{name}", "-o", tmp_path / f"b.{name}", "--scale", "2") == 2
    assert f"a.{name} is damaged" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{name}"]


def test_a_gif_is_no_photograph(tmp_path, rng):
    """Training and scoring leave its 256 colours out."""
    for name in ("a.gif", "b.png"):
        PIL.Image.fromarray(photograph(rng, 9, 9)).save(tmp_path / name)
    assert [path.name for path in find_images(tmp_path)] == ["b.png"]
    with pytest.raises(UserError, match="not a picture in a supported format"):
        read_image(tmp_path / "a.gif")
    assert upscale(tmp_path / "a.gif", "-o", tmp_path / "c.gif", "--scale", "2") == 0
    assert read_photo(tmp_path / "c.gif").pixels.shape == (18, 18, 3)
