"""Tiles of several images in one call, and several devices."""

import concurrent.futures
import subprocess
import sys
import threading
import time
import types

import jax
import numpy as np
import pytest

from lapsrn_jax.models import Pyramid, Tying
from lapsrn_jax.upscaling import devices, tiles
from lapsrn_jax.upscaling.devices import Devices, is_shortage
from lapsrn_jax.upscaling.plans import Plan
from lapsrn_jax.upscaling.tiles import Tiles
from lapsrn_jax.weights.files import save_weights
from tests import tiny
from tests.conftest import ROOT, with_devices
from tests.upscaling.command import snapshot, upscale
from tests.upscaling.test_tiles import random_params, tiled, whole

MODEL = Pyramid(features=4, depth=3, recursions=1, tying=Tying())
ONE = Plan((16, 16), (16, 16), 5)


@pytest.fixture
def network(rng, monkeypatch):
    """Tiles as on an accelerator, where a call may hold four of them."""
    monkeypatch.setattr(tiles, "AREA", 48 * 48)
    network = Tiles(MODEL, random_params(MODEL, rng))
    network.devices._most = 4
    return network


def calls_of(monkeypatch) -> list[int]:
    """The number of tiles in each call from now on."""
    calls, run = [], Devices._run
    monkeypatch.setattr(Devices, "_run", lambda self, *args: calls.append(len(args[2])) or run(self, *args))
    return calls


def held(monkeypatch) -> tuple[threading.Event, threading.Event]:
    """The first call says that it has begun, and waits for a signal."""
    begun, go, run = threading.Event(), threading.Event(), Devices._run

    def slow(self, *args):
        if not begun.is_set():
            begun.set()
            assert go.wait(60)
        return run(self, *args)

    monkeypatch.setattr(Devices, "_run", slow)
    return begun, go


def test_an_image_in_calls_of_several_tiles(rng, network, monkeypatch):
    calls, image = calls_of(monkeypatch), rng.random((131, 150))
    expected = whole(MODEL, network._params[jax.local_devices()[0]], image, 2)
    np.testing.assert_allclose(tiled(network, image, 2), expected, atol=1e-6 * np.abs(expected).max())
    assert max(calls) > 1


def test_tiles_that_wait_share_a_call(rng, network, monkeypatch):
    """Those of one kind only, in the order in which they came, and never more than fit."""
    calls = calls_of(monkeypatch)
    begun, go = held(monkeypatch)
    other = Plan((16, 32), (16, 32), 5)

    def submit(plan):
        tile = rng.random((*plan.side, 1)).astype(np.float32)
        return tile, network.devices.submit(tile, np.ones_like(tile), 2, plan, network._params)

    submitted = [submit(ONE)]
    assert begun.wait(60)
    submitted += [submit(plan) for plan in [ONE] * 3 + [other] * 2 + [ONE] * 3 + [other]]
    go.set()
    for tile, result in submitted:
        expected = whole(MODEL, network._params[jax.local_devices()[0]], tile[:, :, 0], 2)
        np.testing.assert_allclose(result.result(60)[:, :, 0], expected, atol=1e-6 * np.abs(expected).max())
    assert calls == [1, 4, 3, 2]


def submit_while_held(network, number, begun, go) -> list[np.ndarray]:
    """The results of equal tiles, the first of which is held until all of them wait."""
    tile = np.full((16, 16, 1), 0.5, np.float32)
    results = [network.devices.submit(tile, np.ones_like(tile), 2, ONE, network._params)]
    assert begun.wait(60)
    results += [network.devices.submit(tile, np.ones_like(tile), 2, ONE, network._params) for _ in range(number - 1)]
    go.set()
    return [result.result(60) for result in results]


@pytest.mark.parametrize(("room", "expected"), [(1.5, [1] * 8), (3.5, [1, 2, 2, 2, 1]), (4, [1, 4, 3]), (9, [1, 4, 3])])
def test_a_call_holds_the_tiles_that_fit_into_memory(network, monkeypatch, room, expected):
    """Numbers are powers of two, as each number compiles separately."""
    network.devices._share = int(room * devices._memory(devices._compiled(MODEL, 2, ONE, 1, jax.local_devices()[0])))
    calls, (begun, go) = calls_of(monkeypatch), held(monkeypatch)
    submit_while_held(network, 8, begun, go)
    assert calls == expected


def test_each_tile_gets_its_own_parameters(rng, network, monkeypatch):
    """Tiles with different parameters wait in one queue, but never share a call."""
    other = network.with_params(random_params(MODEL, rng))
    calls, (begun, go) = calls_of(monkeypatch), held(monkeypatch)
    tiles = [rng.random((16, 16, 1)).astype(np.float32) for _ in range(5)]
    pairs = list(zip(tiles, (network, network, other, network, other), strict=True))
    results = [network.devices.submit(tiles[0], np.ones_like(tiles[0]), 2, ONE, network._params)]
    assert begun.wait(60)
    results += [tiles.devices.submit(tile, np.ones_like(tile), 2, ONE, tiles._params) for tile, tiles in pairs[1:]]
    go.set()
    for (tile, by), result in zip(pairs, results, strict=True):
        expected = whole(MODEL, by._params[jax.local_devices()[0]], tile[:, :, 0], 2)
        np.testing.assert_allclose(result.result(60)[:, :, 0], expected, atol=1e-6 * np.abs(expected).max())
    assert calls == [1, 2, 2]


def test_the_devices_of_a_cpu_share_its_memory():
    """A tile may take one device's share, a picture that must stay whole may take all."""
    both, whole = jax.local_devices(), ONE._replace(margin=0)
    needed = [devices._memory(devices._compiled(MODEL, 2, plan, 1, both[0])) for plan in (ONE, whole)]
    assert Devices(MODEL, both, 2 * needed[0]).fit(2, ONE)
    assert not Devices(MODEL, both, 2 * needed[0] - 2).fit(2, ONE)
    assert Devices(MODEL, both, needed[1]).fit(2, whole)
    assert not Devices(MODEL, both, needed[1] - 1).fit(2, whole)


def test_one_device_works_unless_more_are_given(rng):
    params, both = random_params(MODEL, rng), jax.local_devices()
    assert len(both) == 2
    assert [Tiles(MODEL, params, devices=d).devices.at_once for d in (None, both[1:], both)] == [1, 1, 2]


def test_free_memory_is_what_the_system_and_the_devices_report(monkeypatch):
    """By default, half of the free memory is used."""
    monkeypatch.setattr(devices, "free_memory", lambda: 5120000)
    assert Devices(MODEL, jax.local_devices(), None).max_memory == 2560000
    for report, free in (
        ({"bytes_limit": 900, "bytes_in_use": 300}, 600), ({"bytes_limit": 900}, 900), ({}, 5120000), (None, 5120000)
    ):  # fmt: skip
        assert devices._free_on(types.SimpleNamespace(memory_stats=lambda report=report: report)) == free


def test_only_a_lack_of_memory_is_a_shortage():
    failure = jax.errors.JaxRuntimeError
    assert is_shortage(failure("RESOURCE_EXHAUSTED: cannot allocate 9 bytes"))
    assert is_shortage(failure("INTERNAL: Failed to allocate 9 bytes of memory"))
    assert not is_shortage(failure("INTERNAL: CUDA_ERROR_ILLEGAL_INSTRUCTION"))
    assert not is_shortage(RuntimeError("RESOURCE_EXHAUSTED: out of memory"))


def test_a_call_that_needs_too_much_memory_is_split(network, monkeypatch):
    begun, go = held(monkeypatch)
    run, failed = Devices._run, []

    def crowded(self, device, kind, found, *rest):
        if len(found) > 1:
            failed.append(len(found))
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
        return run(self, device, kind, found, *rest)

    monkeypatch.setattr(Devices, "_run", crowded)
    results = submit_while_held(network, 5, begun, go)
    for result in results:
        np.testing.assert_array_equal(result, results[0])
    assert (failed, network.devices._most) == ([4], 2)


def test_an_error_belongs_to_its_call(rng, network, monkeypatch):
    tile = rng.random((16, 16, 1)).astype(np.float32)
    with monkeypatch.context() as patch:
        patch.setattr(Devices, "_run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            network.devices.submit(tile, tile, 2, ONE, network._params).result(60)
    assert network.devices.submit(tile, tile, 2, ONE, network._params).result(60).shape == (32, 32, 1)


def test_tiles_of_an_image_that_is_given_up_are_not_computed(rng, network, monkeypatch):
    calls = calls_of(monkeypatch)
    begun, go = held(monkeypatch)
    image = rng.random((200, 200))
    tile = image[:16, :16, None].astype(np.float32)
    blocked = network.devices.submit(tile, np.ones_like(tile), 2, ONE, network._params)
    assert begun.wait(60)
    bands = network.bands(lambda a, b: image[a:b, :, None], image.shape, 2)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(next, bands)
        while not network.devices._waiting:
            assert not first.done()
            time.sleep(0.01)
        go.set()
        first.result(60)
    before = sum(calls)
    bands.close()
    blocked.result(60)
    network.devices._pool.shutdown()
    assert sum(calls) - before <= 4  # those of a call that had begun
    assert sum(calls) < 36


@pytest.mark.slow
def test_two_devices_write_the_same_bytes_as_one(tmp_path, rng):
    """And both of them work."""
    model = Pyramid(**tiny.MODEL, tying=Tying())
    save_weights(tmp_path / "w.safetensors", model, random_params(model, rng), {})
    tiny.write_photographs(tmp_path / "in", 6, 60)
    for count in (1, 2):
        code = f"""
import sys, jax
from lapsrn_jax.cli import main
from lapsrn_jax.upscaling.devices import Devices
run, used = Devices._run, set()
Devices._run = lambda self, device, *rest: used.add(device) or run(self, device, *rest)
try:
    main(["upscale", "{tmp_path}/in", "-o", "{tmp_path}/{count}", "--weights", "{tmp_path}/w.safetensors"])
finally:
    assert len(used) == {count}, used
"""
        command = [sys.executable, "-c", code]
        run = subprocess.run(command, cwd=ROOT, env=with_devices(count), capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    one, two = (snapshot(tmp_path / str(count)) for count in (1, 2))
    del one[".lapsrn.jsonl"], two[".lapsrn.jsonl"]
    assert one == two
    assert len(one) == 6


def test_devices_are_chosen_by_number(tmp_path, capsys):
    tiny.write_photographs(tmp_path, 1)
    command = [tmp_path / "0.png", "-o", tmp_path / "a.png", "--scale", "2", "--device"]
    for device in ("cpu:7", "cpu:0,7", "cpu:x"):
        assert upscale(*command, device) == 2
        assert f"--device {device} names {device[-1]}, but JAX finds cpu:0" in capsys.readouterr().err
    assert upscale(*command, "cpu:0") == 0
