import numpy as np
import PIL.Image
import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.images.io import find_images, read_image, write_image


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (1, 1)])
def test_lossless_formats_return_the_same_pixels(tmp_path, rng, suffix, shape):
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    write_image(tmp_path / f"a{suffix}", image)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), image)


def test_orientation_is_applied(tmp_path, rng):
    image = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned, so viewers rotate by 90 degrees clockwise
    PIL.Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(image, -1))


def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path):
    PIL.Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[0, 100, 255]])


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_thirty_two_bits_are_refused_rather_than_clipped(tmp_path, dtype):
    PIL.Image.fromarray(np.ones((4, 4), dtype)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="32 bits per pixel"):
        read_image(tmp_path / "a.tif")


def test_jpeg_keeps_colours_and_nearly_all_else(tmp_path):
    """Chroma at half resolution would smear the one red pixel column."""
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, 5] = (255, 0, 0)
    write_image(tmp_path / "a.jpg", image)
    error = np.abs(read_image(tmp_path / "a.jpg").astype(int) - image)
    assert error.max() < 20


def test_an_image_too_large_for_its_format_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*a\.webp"):
        write_image(tmp_path / "a.webp", np.zeros((1, 17000), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_truncated_picture_is_named(tmp_path, rng):
    path = tmp_path / "cut.png"
    write_image(path, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"cut\.png is damaged"):
        read_image(path)


def test_text_is_not_a_picture(tmp_path):
    (tmp_path / "a.png").write_text("not a picture")
    with pytest.raises(UserError, match=r"a\.png is not a picture"):
        read_image(tmp_path / "a.png")


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match=r"suffix"):
        write_image(tmp_path / "a.xyz", np.zeros((2, 2), np.uint8))
    with pytest.raises(UserError, match=r"cannot write"):
        write_image(tmp_path / "missing" / "a.png", np.zeros((2, 2), np.uint8))
    assert not list(tmp_path.iterdir())


def test_folders_are_searched_recursively(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("z.png", "b/a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in find_images(tmp_path)] == ["a.JPG", "z.png"]


def test_hidden_files_and_folders_are_skipped(tmp_path):
    for name in ("a.png", "._a.png", ".thumbs/a.png", "b/@eaDir/a.png", "b/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in find_images(tmp_path)] == ["a.png", "c.png"]


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no such image folder: .*nowhere"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no images in"):
        find_images(tmp_path)
