import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax.errors import UserError
from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.photos.photo import Photo
from lapsrn_jax.upscaling.photos import enlarged, target_size
from lapsrn_jax.upscaling.upscale import Upscaler
from tests import tiny
from tests.upscaling.bicubic import Bicubic

MODEL = Pyramid(**tiny.MODEL, tying=Tying())


@pytest.fixture(scope="module")
def params():
    """Parameters with which the network is close to plain interpolation."""
    return MODEL.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), 2)["params"]


@pytest.fixture(scope="module")
def network(params):
    return Upscaler(MODEL, params)


def enlarge(photo, network, scale=2):
    size = tuple(scale * side for side in photo.pixels.shape[:2])
    return np.concatenate(list(enlarged(photo, network, size)))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", [False, True])
def test_depth_and_channels_stay(rng, network, channels, dtype, alpha):
    """The fine steps of a 16-bit ramp survive."""
    peak = np.iinfo(dtype).max
    ramp = np.linspace(0.25, 0.26, 40)[None, :, None] * np.ones((30, 1, channels))
    photo = Photo(np.rint(peak * ramp).astype(dtype), np.full((30, 40), peak, dtype) if alpha else None)
    result = enlarge(photo, network)
    assert result.shape == (60, 80, channels + alpha)
    assert result.dtype == dtype
    inner = result[10:-10, 10:-10, 0]
    assert abs(inner / peak - 0.255).max() < 0.01
    assert len(np.unique(inner)) > (50 if dtype == np.uint16 else 1)
    if alpha:
        assert (result[..., -1] == peak).all()


def test_invisible_pixels_leave_no_fringe(rng, network):
    """A disc on transparent noise keeps its colour up to its edge. Alpha is enlarged like an image."""
    y, x = np.mgrid[:40, :40]
    disc, colour = (x - 20) ** 2 + (y - 20) ** 2 < 150, [200, 90, 40]
    pixels = np.where(disc[:, :, None], colour, rng.integers(0, 256, (40, 40, 3))).astype(np.uint8)
    result = enlarge(Photo(pixels, np.where(disc, 255, 0).astype(np.uint8)), network)
    assert abs(result[..., 3].sum() / 255 / 4 - disc.sum()) < 10
    visible = result[10:-10, 10:-10][result[10:-10, 10:-10, 3] > 0].astype(int)
    assert abs(visible[:, :3] - colour).max() < 10
    assert 0 < ((result[..., 3] > 0) & (result[..., 3] < 255)).sum() < 1000


def over_white(result) -> np.ndarray:
    alpha = result[..., -1:] / 255
    return result[..., :-1] * alpha + 255 * (1 - alpha)


def test_barely_visible_pixels_leave_no_fringe(network):
    """A white disc with a ring of black, alpha 2 of 255, is white on white. The ring alone has 253."""
    y, x = np.mgrid[:40, :40]
    distance = np.hypot(x - 20, y - 20)
    pixels = np.where((distance < 12)[:, :, None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    alpha = np.select([distance < 12, distance < 16], [255, 2], 0).astype(np.uint8)
    assert over_white(enlarge(Photo(pixels, alpha), network))[4:-4, 4:-4].min() > 249


def test_translucent_areas_keep_their_detail(rng, network):
    """Only pixels less visible than their neighbours change colour."""
    pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    opaque = enlarge(Photo(pixels), network)
    glass = enlarge(Photo(pixels, np.full((20, 24), 60, np.uint8)), network)
    np.testing.assert_array_equal(glass[..., :3], opaque)


def test_hidden_colours_are_kept_on_demand(rng, network):
    """Textures may have data where they are transparent."""
    pixels, size = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8), (40, 48)
    photo = Photo(pixels, np.where(np.arange(24) < 12, 0, 255).astype(np.uint8) * np.ones((20, 1), np.uint8))
    kept = np.concatenate(list(enlarged(photo, network, size, keep_hidden=True)))
    np.testing.assert_array_equal(kept[..., :3], enlarge(Photo(pixels), network))
    assert (kept[..., :3] != enlarge(photo, network)[..., :3]).any()


def test_a_picture_without_a_visible_pixel_keeps_its_colours(rng, network):
    pixels = rng.integers(0, 256, (20, 24, 3), np.uint8)
    result = enlarge(Photo(pixels, np.zeros((20, 24), np.uint8)), network)
    np.testing.assert_array_equal(result[..., :3], enlarge(Photo(pixels), network))
    assert not result[..., 3].any()


def test_integers_are_rounded_without_a_bias(rng, network):
    """Also where pixels take on the colour of their neighbours. Floats are not rounded."""
    pixels, alpha = rng.integers(50, 200, (20, 24, 3), np.uint8), rng.integers(0, 256, (20, 24), np.uint8)
    error = enlarge(Photo(pixels, alpha), network) - 255 * enlarge(Photo(pixels / 255, alpha / 255), network)
    assert abs(error).max() < 2
    assert abs(error.mean()) < 0.1


def test_a_ramp_is_rounded_not_truncated():
    """It has values such as 1.75 and 2.25 between its pixels."""
    ramp = np.tile(np.arange(8, dtype=np.uint8)[:, None], (8, 1, 1))
    np.testing.assert_array_equal(enlarge(Photo(ramp), Bicubic())[8, 4:12, 0], [2, 2, 3, 3, 4, 4, 5, 5])


def test_gray_gives_what_equal_channels_give(rng, network):
    gray = rng.integers(0, 256, (20, 30, 1), dtype=np.uint8)
    result, color = enlarge(Photo(gray), network), enlarge(Photo(np.repeat(gray, 3, axis=2)), network)
    difference = np.abs(result.astype(int) - color)  # the rounding of sums may differ
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def test_inks_and_alpha_are_enlarged_like_gray(rng, network):
    inks = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    alpha = rng.integers(1, 256, (20, 30), dtype=np.uint8)
    planes = [enlarge(Photo(plane[:, :, None]), network)[:, :, 0] for plane in [*np.moveaxis(inks, 2, 0), alpha]]
    np.testing.assert_array_equal(enlarge(Photo(inks), network), np.stack(planes[:4], axis=2))
    np.testing.assert_array_equal(enlarge(Photo(inks[:, :, :1], alpha=alpha), network)[:, :, 1], planes[4])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("transparent", [False, True])
def test_progress_adds_up_to_the_whole(rng, network, channels, transparent):
    """However many planes the network enlarges one after another."""
    pixels, alpha = (rng.integers(0, 256, shape, np.uint8) for shape in ((20, 24, channels), (20, 24)))
    shares: list[float] = []
    list(enlarged(Photo(pixels, alpha if transparent else None), network, (40, 48), progress=shares.append))
    assert sum(shares) == pytest.approx(1)


def test_target_sizes():
    assert target_size((10, 20), 1.5, None, None) == (15, 30)
    assert target_size((10, 20), None, 50, None) == (25, 50)
    assert target_size((10, 20), None, None, 25) == (25, 50)
    assert target_size((10, 20), None, 50, 60) == (60, 50)
    assert target_size((10, 20), None, 30, None) == (15, 30)
    assert target_size((20, 10), None, None, 30) == (30, 15)
    with pytest.raises(UserError, match="15 x 8 is smaller"):
        target_size((10, 20), None, 15, None)
    for scale in (float("nan"), float("inf"), -2.0, 1.0):
        with pytest.raises(UserError, match=rf"a number above 1, got {scale:g}"):
            target_size((10, 20), scale, None, None)
