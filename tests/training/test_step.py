import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lapsrn_jax import models
from lapsrn_jax.data.patches import training_batches
from lapsrn_jax.training.losses import batch_loss, charbonnier, fourier_distance
from lapsrn_jax.training.state import create_state, is_schedule, learning_rate_fn, make_optimizer
from lapsrn_jax.training.step import make_mesh, make_train_step, replicate, shard_batch
from tests import tiny


def setup(tmp_path, devices=1, step_options=None, **overrides):
    config = tiny.config(tmp_path, **overrides)
    model, tx = models.from_settings(config.model), make_optimizer(config)
    mesh = make_mesh(jax.devices()[:devices])
    state = replicate(create_state(model, tx, config.seed, ema=True), mesh)
    step = make_train_step(model, tx, mesh, ema_decay=config.optimizer.ema_decay, **(step_options or {}))
    return model, mesh, state, step


def some_batch(rng, n=4):
    photographs = [tiny.photograph(rng) for _ in range(4)]
    return training_batches(photographs, {2: n, 4: n}, 32, 0, slice(0, 1))[0]


def test_charbonnier_is_smooth_l1(rng):
    d = rng.standard_normal((3, 4))
    np.testing.assert_allclose(charbonnier(d, 0 * d), np.sqrt(d**2 + 1e-6).mean(), rtol=1e-6)
    assert jax.grad(lambda x: charbonnier(x, x * 0 + 1.0))(jnp.ones(3)).tolist() == [0, 0, 0]


def test_every_sample_counts_alike_whatever_its_scale(rng, tmp_path):
    """The loss of a mixed batch is the mean of the separate losses of its samples."""
    model, _, state, _ = setup(tmp_path)
    batch = some_batch(rng)
    batch[4] = tuple(images[:2] for images in batch[4])  # 4 samples at x2, 2 at x4
    alone = [
        batch_loss(model, state.params, {scale: tuple(image[i : i + 1] for image in images)})
        for scale, images in batch.items()
        for i in range(len(images[0]))
    ]
    assert len(alone) == 6
    np.testing.assert_allclose(batch_loss(model, state.params, batch), np.mean(alone), rtol=1e-5)


def test_two_devices_take_the_step_of_one(rng, tmp_path):
    batch = some_batch(rng)
    results = []
    for devices in (1, 2):
        _, mesh, state, train_step = setup(tmp_path, devices)
        for _ in range(3):
            state, metrics = train_step(state, shard_batch(batch, mesh))
        results.append(
            (jax.tree.map(np.asarray, state.params), float(metrics["loss"]), float(metrics["gradient_norm"]))
        )
    (params, loss, norm), (params2, loss2, norm2) = results
    assert loss2 == pytest.approx(loss, rel=1e-5)
    assert norm2 == pytest.approx(norm, rel=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), params, params2)


def test_the_loss_falls_and_the_average_follows(rng, tmp_path):
    batch = some_batch(rng)
    _, mesh, state, train_step = setup(tmp_path, training__steps=200, optimizer__learning_rate=3e-3)
    start = jax.tree.map(np.asarray, state.params)
    losses = []
    for _ in range(60):
        state, metrics = train_step(state, shard_batch(batch, mesh))
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.8 * losses[0]
    assert int(state.step) == 60

    def distance(a, b):
        return sum(float(((x - y) ** 2).sum()) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))

    assert 0 < distance(state.ema, state.params) < distance(start, state.params)
    assert state.weights is state.ema


def test_step_is_the_same_with_laxs_convolutions(rng, tmp_path):
    """The faster forms only change the speed: loss and gradients agree to 1e-5."""
    batch = some_batch(rng)
    model, _, state, _ = setup(tmp_path)
    params = jax.tree.map(lambda x: jnp.asarray(rng.standard_normal(x.shape) / 6, jnp.float32), state.params)
    faster = jax.value_and_grad(lambda p: batch_loss(model, p, batch))(params)
    reference = jax.value_and_grad(lambda p: batch_loss(model.clone(direct=True), p, batch))(params)
    assert float(faster[0]) == pytest.approx(float(reference[0]), rel=1e-5)
    for mine, theirs in zip(jax.tree.leaves(faster[1]), jax.tree.leaves(reference[1]), strict=True):
        assert np.linalg.norm(mine - theirs) < 1e-5 * np.linalg.norm(theirs)


def test_learning_rate_warms_up_and_falls_to_the_end(tmp_path):
    config = tiny.config(tmp_path, training__steps=1000, optimizer__warmup=0.1)
    rate = learning_rate_fn(config)
    assert [float(rate(step)) for step in (0, 50, 100, 1000)] == pytest.approx([0, 5e-4, 1e-3, 1e-6])
    assert float(learning_rate_fn(tiny.config(tmp_path, optimizer__warmup=0.0))(0)) == pytest.approx(1e-3)


def test_a_constant_rate_stays_and_a_cooldown_ends_it(tmp_path):
    """After a linear warm-up; the cool-down follows 1 - sqrt(t)."""
    settings = {"training__steps": 1000, "optimizer__warmup": 0.1}
    constant = learning_rate_fn(tiny.config(tmp_path, optimizer__schedule="constant", **settings))
    assert [float(constant(step)) for step in (0, 50, 100, 999)] == pytest.approx([0, 5e-4, 1e-3, 1e-3])
    cooldown = learning_rate_fn(tiny.config(tmp_path, optimizer__schedule="cooldown", **settings))
    quarter = 1e-6 + (1e-3 - 1e-6) * (1 - 0.5)
    assert [float(cooldown(step)) for step in (50, 100, 325, 1000)] == pytest.approx([5e-4, 1e-3, quarter, 1e-6])


def test_muon_moves_the_kernels_between_features_and_adamw_the_others(tmp_path):
    """Muon's update of a kernel, as a matrix [9 I, O], is nearly orthogonal, with AdamW's root mean square of 0.2."""
    config = tiny.config(tmp_path, optimizer__warmup=0.0, optimizer__weight_decay=0.0,
                         optimizer__muon_learning_rate=0.01, optimizer__schedule="constant")  # fmt: skip
    tx, generator = make_optimizer(config), np.random.default_rng(0)
    params = {"between": jnp.zeros((3, 3, 8, 8)), "first": jnp.zeros((3, 3, 1, 8)), "bias": jnp.zeros(8)}
    params["stack"] = jnp.zeros((2, 3, 3, 8, 8))
    grads = jax.tree.map(lambda x: jnp.asarray(generator.standard_normal(x.shape), jnp.float32), params)
    updates, _ = tx.update(grads, tx.init(params), params)
    for update in (updates["between"], *updates["stack"]):
        matrix = np.asarray(update).reshape(-1, 8) / 0.01
        assert np.sqrt((matrix**2).mean()) == pytest.approx(0.2, rel=0.3)
        singular = np.linalg.svd(matrix, compute_uv=False)
        assert singular.max() / singular.min() < 2
    for name in ("first", "bias"):  # AdamW's first step, with Nesterov's momentum: the same length for all
        length = np.abs(updates[name]).mean()
        assert 1e-3 <= length < 2e-3
        np.testing.assert_allclose(updates[name], -length * np.sign(grads[name]), rtol=1e-3)


def test_the_optimiser_is_adamw_after_clipping(tmp_path):
    """One step computed by hand (Loshchilov & Hutter, 2019): the moments nearly cancel to the gradient's sign."""
    config = tiny.config(tmp_path, optimizer__warmup=0.0, optimizer__clip_norm=1.0, optimizer__weight_decay=0.1)
    tx = make_optimizer(config)
    params, grads = {"a": jnp.array([1.0, -2.0])}, {"a": jnp.array([30.0, 40.0])}
    updates, opt_state = tx.update(grads, tx.init(params), params)
    clipped = np.array([0.6, 0.8])
    expected = -1e-3 * (clipped / (clipped + 1e-8) + 0.1 * np.array([1.0, -2.0]))
    np.testing.assert_allclose(updates["a"], expected, rtol=1e-5)
    moments = [leaf for leaf in jax.tree.leaves(opt_state) if getattr(leaf, "shape", ()) == (2,)]
    np.testing.assert_allclose(moments[0], 0.1 * clipped, rtol=1e-5)
    unclipped = make_optimizer(tiny.config(tmp_path, optimizer__clip_norm=0.0))
    moments = jax.tree.leaves(unclipped.update(grads, unclipped.init(params), params)[1])
    np.testing.assert_allclose(next(m for m in moments if getattr(m, "shape", ()) == (2,)), [3, 4], rtol=1e-5)


def test_the_average_warms_up(rng, tmp_path):
    """Its decay is the minimum of the config's and (1 + t) / (10 + t), which is 0.1 in the first step."""
    for ema_decay, first in ((0.999, 0.1), (0.05, 0.05)):
        config = tiny.config(tmp_path, optimizer__warmup=0.0)
        model, tx, mesh = models.from_settings(config.model), make_optimizer(config), make_mesh(jax.devices()[:1])
        state = replicate(create_state(model, tx, 0, ema=True), mesh)
        start = jax.tree.map(np.asarray, state.params)
        step = make_train_step(model, tx, mesh, ema_decay=ema_decay)
        state, _ = step(state, shard_batch(some_batch(rng), mesh))
        expected = jax.tree.map(lambda a, b, first=first: first * a + (1 - first) * b, start, state.params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8), state.ema, expected)


def test_an_average_that_goes_on_from_another_run_does_not_warm_up(rng, tmp_path):
    """A warm-up would discard it: the first step would give the new parameters a weight of 0.9."""
    config = tiny.config(tmp_path, optimizer__warmup=0.0)
    model, tx, mesh = models.from_settings(config.model), make_optimizer(config), make_mesh(jax.devices()[:1])
    state = create_state(model, tx, 0, ema=True)
    start = jax.tree.map(lambda x: np.asarray(x) + 1, state.params)
    state = replicate(dataclasses.replace(state, ema=start), mesh)
    step = make_train_step(model, tx, mesh, ema_decay=0.999, ema_warmup=False)
    state, _ = step(state, shard_batch(some_batch(rng), mesh))
    expected = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b, start, state.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), state.ema, expected)


def test_accumulated_gradients_are_those_of_the_whole_batch(rng, tmp_path):
    batch = some_batch(rng)
    results = []
    for devices, accumulate in ((1, 1), (1, 4), (2, 2)):
        _, mesh, state, train_step = setup(tmp_path, devices, {"accumulate": accumulate, "fourier": 0.05})
        for _ in range(2):
            state, metrics = train_step(state, shard_batch(batch, mesh))
        results.append((float(metrics["loss"]), jax.tree.map(np.asarray, state.params)))
    for loss, params in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), params, results[0][1])


@pytest.mark.usefixtures("nans")
def test_a_step_that_is_not_finite_changes_nothing_but_the_counts(rng, tmp_path):
    """The counts are those of steps, of skipped ones, and of the schedule, which ends with the training."""
    batch = some_batch(rng)
    _, mesh, state, train_step = setup(tmp_path, 2)
    state, _ = train_step(state, shard_batch(batch, mesh))
    before = jax.tree.map(np.asarray, state)
    broken = {scale: tuple(image.copy() for image in images) for scale, images in batch.items()}
    broken[4][2][3, 5, 5] = np.nan  # one pixel, on the second device
    for count in (1, 2):
        state, metrics = train_step(state, shard_batch(broken, mesh))
        assert int(metrics["skipped"]) == int(state.skipped) == count
    assert int(state.step) == 3
    parts = jax.tree.leaves(state.opt_state, is_leaf=is_schedule)
    assert [int(part.count) for part in parts if is_schedule(part)] == [3]
    unmoved = jax.tree.map(
        lambda part: part._replace(count=1) if is_schedule(part) else part, state.opt_state, is_leaf=is_schedule
    )
    for now, then in ((state.params, before.params), (state.ema, before.ema), (unmoved, before.opt_state)):
        jax.tree.map(np.testing.assert_array_equal, now, then)
    state, metrics = train_step(state, shard_batch(batch, mesh))
    assert int(state.skipped) == 0
    assert np.isfinite(float(metrics["loss"]))


@pytest.mark.parametrize("name", ["pyramid", "lapsrn"])
def test_remat_and_bfloat16_compute_the_same_function(rng, name):
    """Remat agrees up to rounding; bfloat16, with 8 bits, up to a few percent of the gradient."""
    batch = some_batch(rng, n=2)
    model = models.Pyramid(features=8, recursions=2, tying=models.Tying()) if name == "pyramid" else models.LapSRN(
        features=8, depth=3
    )  # fmt: skip
    start = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), 2)["params"]
    params = jax.tree.map(lambda x: jnp.asarray(rng.standard_normal(x.shape) / 8, jnp.float32), start)

    def value_and_grad(model):
        return jax.value_and_grad(lambda p: batch_loss(model, p, batch))(params)

    loss, grads = value_and_grad(model)
    for variant, tolerance in ((model.clone(remat=True), 1e-5), (model.clone(dtype="bfloat16", remat=True), 0.05)):
        other_loss, other = value_and_grad(variant)
        assert float(other_loss) == pytest.approx(float(loss), rel=tolerance)
        for mine, theirs in zip(jax.tree.leaves(other), jax.tree.leaves(grads), strict=True):
            assert mine.dtype == jnp.float32
            assert np.linalg.norm(mine - theirs) < tolerance * np.linalg.norm(theirs)


def test_the_fourier_distance_sees_what_parseval_says(rng):
    """The spectrum of an impulse of height a has magnitude |a| everywhere, independent of its position."""
    image = np.zeros((1, 8, 8, 1), np.float32)
    image[0, 0, 0, 0] = 3.0
    assert float(fourier_distance(image, 0 * image)) == pytest.approx(1.5)
    shifted = np.roll(image, 3, axis=1)
    spectrum = np.fft.rfft2(shifted[..., 0])
    expected = (np.abs(spectrum.real) + np.abs(spectrum.imag)).mean() / 2
    assert float(fourier_distance(shifted, 0 * shifted)) == pytest.approx(expected, rel=1e-5)
