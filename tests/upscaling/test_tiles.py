import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data

from lapsrn_jax.errors import UserError
from lapsrn_jax.images import color
from lapsrn_jax.models import VDSR, LapSRN, Pyramid, Tying, initial
from lapsrn_jax.models.window import margins
from lapsrn_jax.upscaling import devices, tiles
from lapsrn_jax.upscaling.devices import Devices
from lapsrn_jax.upscaling.plans import plan
from lapsrn_jax.upscaling.tiles import Tiles
from lapsrn_jax.weights.files import load_weights

MODELS = {
    "cms": Pyramid(features=4, depth=3, recursions=2, use_bias=True, tying=Tying()),
    "block skip": Pyramid(features=4, depth=2, recursions=1, skip="block"),
    "lapsrn": LapSRN(levels=3, features=4, depth=2, use_bias=True),
}


def random_params(model, generator):
    """Parameters without zeros, including the biases."""
    params = initial(model, jax.random.key(0))
    return jax.tree.map(lambda x: x + 0.1 * generator.standard_normal(x.shape).astype(np.float32), params)


def whole(model, params, image, scale):
    images = model.apply({"params": params}, jnp.asarray(image, jnp.float32)[None, :, :, None], scale)
    return np.asarray(images[-1])[0, :, :, 0]


def tiled(network, image, scale):
    bands = list(network.bands(lambda a, b: image[a:b, :, None], image.shape, scale))
    return np.concatenate(bands)[:, :, 0]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (2, 3), (17, 16), (101, 67), (67, 130)], ids=str)
@pytest.mark.parametrize("scale", [2, 4])
def test_tiled_equals_whole(rng, monkeypatch, name, shape, scale):
    monkeypatch.setattr(tiles, "AREA", 48 * 48)
    model = MODELS[name]
    params, image = random_params(model, rng), rng.random(shape)
    result, expected = tiled(Tiles(model, params), image, scale), whole(model, params, image, scale)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-6 * np.abs(expected).max())


def test_tiled_equals_whole_with_the_convolutions_of_wide_networks(rng, monkeypatch):
    """Wide networks use Winograd convolutions on CPUs, whose rounding depends on where a tile begins."""
    monkeypatch.setattr(tiles, "AREA", 64 * 96)
    model, params = load_weights("cms-lapsrn")
    model = model.clone(recursions=2)  # so that the margin is less than half of a tile
    image = color.rgb_to_ycbcr(skimage.data.astronaut() / 255)[40:141, 180:247, 0]
    result, expected = tiled(Tiles(model, params), image, 4), whole(model, params, image, 4)
    assert len(list(Tiles(model, params).bands(lambda a, b: image[a:b, :, None], image.shape, 4))) > 1
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_three_levels_and_the_paper_s_depth(rng, monkeypatch):
    """Many recursions see far, so the margin is wider than half a tile."""
    monkeypatch.setattr(tiles, "AREA", 128 * 96)
    model = Pyramid(features=2, depth=5, recursions=4, tying=Tying())
    params, image = random_params(model, rng), rng.random((140, 99))
    expected = whole(model, params, image, 8)
    np.testing.assert_allclose(tiled(Tiles(model, params), image, 8), expected, atol=1e-6 * np.abs(expected).max())


def test_the_margin_is_no_wider_than_it_must_be(rng, monkeypatch):
    """With a slightly narrower margin, seams appear. This shows that the test above can fail."""
    monkeypatch.setattr(tiles, "AREA", 48 * 48)
    model = MODELS["cms"]
    params, image = random_params(model, rng), rng.random((101, 67))
    monkeypatch.setattr("lapsrn_jax.models.window._BETWEEN", 0)
    error = np.abs(tiled(Tiles(model, params), image, 4) - whole(model, params, image, 4)).max()
    jax.clear_caches()
    devices._compiled.cache_clear()
    assert error > 1e-4


def test_plans_cover_the_picture_and_keep_to_the_area(rng):
    for _ in range(200):
        shape = tuple(int(n) for n in rng.integers(1, 3000, 2))
        depth, area = int(rng.integers(1, 50)), 2 ** int(rng.integers(10, 18))
        widths = margins(2 ** int(rng.integers(1, 4)), depth)
        found, margin = plan(shape, widths, area), widths[0][0] + 1
        if found is None:
            assert area < (2 * margin + 16) ** 2 * 4
            continue
        assert found.side[0] * found.side[1] <= area
        for axis, length in enumerate(shape):
            if axis + 1 in found.axes:
                assert found.step[axis] == found.side[axis] - 2 * margin > 0
            else:
                assert found.side[axis] >= length


def test_the_plan_has_the_least_work():
    """Long tiles have fewer margins, but at x4 their large feature maps leave the processor's cache."""
    widths = margins(4, 20)
    assert plan((600, 420), widths, 2**16).side == (192, 128)
    assert plan((600, 420), widths, 2**14).side == (128, 128)
    assert plan((60, 60), widths, 2**16).side == (64, 64)


def test_pictures_of_many_sizes_share_few_compiled_networks(rng):
    network = Tiles(MODELS["block skip"], random_params(MODELS["block skip"], rng))
    devices._compiled.cache_clear()
    for height, width in itertools.product(range(50, 65, 5), range(33, 49, 4)):
        tiled(network, rng.random((height, width)), 2)
    assert devices._compiled.cache_info().misses == 1


def test_out_of_memory_halves_the_tile(rng, monkeypatch):
    """This also works in the middle of an image and does not change the pixels."""
    model = MODELS["cms"]
    params, image = random_params(model, rng), rng.random((300, 70))
    monkeypatch.setattr(tiles, "AREA", 128 * 96)
    expected, run, calls = whole(model, params, image, 2), Devices._run, []

    def crowded(self, device, kind, found, *rest):
        calls.append(found.size)
        if len(calls) > 1 and found.size > 64 * 64:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
        return run(self, device, kind, found, *rest)

    monkeypatch.setattr(Devices, "_run", crowded)
    result = tiled(Tiles(model, params), image, 2)
    assert calls[0] > 64 * 64 >= calls[-1]
    np.testing.assert_allclose(result, expected, atol=1e-6 * np.abs(expected).max())


def test_a_budget_makes_tiles_small_or_is_refused(rng):
    model = MODELS["cms"]
    params, image = random_params(model, rng), rng.random((200, 200))
    network = Tiles(model, params, max_memory=2 * 2**20)
    result, expected = tiled(network, image, 2), whole(model, params, image, 2)
    program = devices._compiled(model, 2, network._plan(image.shape, 2), 1, jax.local_devices()[0])
    assert devices._memory(program) <= 2 * 2**20
    np.testing.assert_allclose(result, expected, atol=1e-6 * np.abs(expected).max())
    with pytest.raises(UserError, match="0 MiB are too little"):
        tiled(Tiles(model, params, max_memory=1000), image, 2)


def test_values_that_are_not_finite_are_no_picture(rng):
    params = random_params(MODELS["cms"], rng)
    params["residual"]["kernel"] = params["residual"]["kernel"].at[0, 0, 0, 0].set(jnp.nan)
    with pytest.raises(UserError, match="not finite"):
        tiled(Tiles(MODELS["cms"], params), rng.random((20, 20)), 2)


def test_an_ensemble_averages_over_rotations_and_reflections(rng, monkeypatch):
    monkeypatch.setattr(tiles, "AREA", 48 * 48)
    model = MODELS["cms"]
    params, image = random_params(model, rng), rng.random((75, 30))
    expected = np.zeros((150, 60))
    for turns, mirror in itertools.product(range(4), (False, True)):
        turned = np.rot90(image[:, ::-1] if mirror else image, turns)
        result = np.rot90(whole(model, params, turned, 2), -turns)
        expected += (result[:, ::-1] if mirror else result) / 8
    result = tiled(Tiles(model, params, ensemble=True), image, 2)
    np.testing.assert_allclose(result, expected, atol=1e-6 * np.abs(expected).max())


def test_progress_adds_up_to_the_whole(rng, monkeypatch):
    monkeypatch.setattr(tiles, "AREA", 48 * 48)
    network, shares = Tiles(MODELS["cms"], random_params(MODELS["cms"], rng)), []
    for _ in network.bands(lambda a, b: np.zeros((b - a, 67, 1)), (101, 67), 2, shares.append):
        pass
    assert len(shares) > 4
    assert sum(shares) == pytest.approx(1)


def test_progress_adds_up_although_tiles_are_done_again(rng, monkeypatch):
    """Memory runs out at the third tile of a row, so that the first two are done again in smaller ones."""
    monkeypatch.setattr(tiles, "AREA", 48 * 48)
    network, shares, run = Tiles(MODELS["block skip"], random_params(MODELS["block skip"], rng)), [], Devices._run

    def crowded(self, device, kind, found, *rest):
        if len(shares) > 1 and found.size > 1500:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
        return run(self, device, kind, found, *rest)

    monkeypatch.setattr(Devices, "_run", crowded)
    for _ in network.bands(lambda a, b: np.zeros((b - a, 150, 1)), (40, 150), 2, shares.append):
        pass
    assert min(shares) == 0
    assert sum(shares) == pytest.approx(1)


def test_few_rows_are_read_ahead(rng, monkeypatch):
    """However high the image is, so that it may be larger than memory."""
    monkeypatch.setattr(tiles, "AREA", 48 * 32)
    image, read = rng.random((700, 20, 1)), []

    def rows(start, stop):
        read.append(stop)
        return image[start:stop]

    model, done = MODELS["block skip"], 0
    for band in Tiles(model, random_params(model, rng)).bands(rows, (700, 20), 2):
        done += len(band) // 2
        assert read[-1] - done <= 2 * 48
    assert len(read) > 10


def test_a_network_that_needs_the_whole_picture_gets_it(rng):
    model = VDSR(features=4, depth=4)
    params, image = random_params(model, rng), rng.random((13, 21))
    np.testing.assert_array_equal(tiled(Tiles(model, params), image, 3), whole(model, params, image, 3))


def test_a_network_that_needs_the_whole_picture_says_so_when_that_is_too_large(rng, monkeypatch):
    model = VDSR(features=4, depth=4)
    params, image = random_params(model, rng), rng.random((13, 21))
    with pytest.raises(UserError, match="works on the whole picture at once"):
        tiled(Tiles(model, params, max_memory=1000), image, 3)

    def full(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")

    monkeypatch.setattr(Devices, "_run", full)
    with pytest.raises(UserError, match="works on the whole picture at once"):
        tiled(Tiles(model, params), image, 3)
