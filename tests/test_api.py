"""The public API of `import lapsrn_jax`."""

import inspect
import os
import subprocess
import sys
import tomllib

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

import lapsrn_jax
from lapsrn_jax import Pyramid, Tying, Upscaler, UserError, models
from lapsrn_jax.images.color import full_range, studio_range
from lapsrn_jax.weights.files import save_weights
from tests import tiny
from tests.conftest import ROOT

MODEL = Pyramid(**tiny.MODEL, tying=Tying())


@pytest.fixture(scope="module")
def params():
    return jax.tree.map(np.asarray, models.initial(MODEL, jax.random.key(0)))


@pytest.fixture(scope="module")
def weights(tmp_path_factory, params):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, MODEL, params, {})
    return path


def python(code: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a separate process, without the tests' compilation cache."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    return subprocess.run(
        [sys.executable, *options, "-c", code], cwd=ROOT, env=inherited | environment, capture_output=True, text=True
    )


def test_the_names():
    assert set(lapsrn_jax.__all__) == {
        "LapSRN", "Pyramid", "Tying", "Upscaler", "UserError", "__version__", "load", "upscale"
    }  # fmt: skip
    assert all(hasattr(lapsrn_jax, name) for name in lapsrn_jax.__all__)
    assert set(lapsrn_jax.__all__) <= set(dir(lapsrn_jax))
    with pytest.raises(AttributeError, match="no attribute 'enlarge'"):
        _ = lapsrn_jax.enlarge
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["lapsrn_jax"]
    assert (ROOT / "lapsrn_jax" / "py.typed").exists()


def test_importing_the_package_imports_neither_jax_nor_numpy():
    """The import takes less than 0.1 s: the fastest of three, as measured by the interpreter."""
    code = "import sys, lapsrn_jax; sys.exit(bool({'jax', 'numpy', 'flax', 'PIL'} & sys.modules.keys()))"
    times = []
    for _ in range(3):
        result = python(code, "-X", "importtime")
        assert result.returncode == 0
        (line,) = (line for line in result.stderr.splitlines() if line.endswith("| lapsrn_jax"))
        times.append(int(line.split("|")[1]))  # microseconds, including everything it imports
    assert min(times) < 100_000


FUNCTIONS = {name: thing for name in lapsrn_jax.__all__ if inspect.isfunction(thing := getattr(lapsrn_jax, name))} | {
    f"Upscaler.{name}": method
    for name, method in inspect.getmembers(Upscaler, inspect.isfunction)
    if name in ("__init__", "__call__") or not name.startswith("_")
}


@pytest.mark.parametrize(("name", "function"), FUNCTIONS.items(), ids=FUNCTIONS)
def test_options_are_keyword_only(name, function):
    """Only `scale` may also be positional."""
    assert function.__doc__ or name == "Upscaler.__init__"
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty and parameter.name != "scale":
            assert parameter.kind is parameter.KEYWORD_ONLY, (name, parameter.name)


@pytest.mark.slow
def test_a_users_program_passes_mypy_strict(tmp_path):
    (tmp_path / "user.py").write_text("""\
import numpy as np
import lapsrn_jax
from lapsrn_jax import LapSRN, Pyramid, Tying, Upscaler, UserError

try:
    model, params = lapsrn_jax.load("cms-lapsrn")
    larger = Upscaler(model, params, max_memory=2**30, fast=True)(np.zeros((8, 8)), 1.5)
    array = lapsrn_jax.upscale(np.zeros((8, 8, 3), np.uint8), 2, weights="ms-lapsrn")
    print(lapsrn_jax.__version__, larger.max(), array.dtype, lapsrn_jax.upscale("photo.jpg", width=640).info)
    networks = [Pyramid(tying=Tying(layer=3)), LapSRN(levels=2)]
except UserError as error:
    print(error)
""")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "user.py"]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 2), (9, 7, 3), (9, 7, 4)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_come_back_as_they_went_in(rng, weights, shape, dtype):
    image = rng.random(shape)
    image = image.astype(dtype) if np.issubdtype(dtype, np.floating) else (image * np.iinfo(dtype).max).astype(dtype)
    result = lapsrn_jax.upscale(image, 2, weights=weights)
    assert result.shape == (18, 14, *shape[2:])
    assert result.dtype == dtype
    assert lapsrn_jax.upscale(image, weights=weights).shape[:2] == (36, 28)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "PA", "RGBX", "RGBa", "YCbCr"])
def test_pillow_images_come_back_as_pillow_images(rng, tmp_path, weights, mode):
    pixels = rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)
    if mode == "I;16":
        image = PIL.Image.fromarray(rng.integers(0, 2**16, (12, 10), dtype=np.uint16))
    else:
        image = PIL.Image.fromarray(pixels).convert({"PA": "P", "RGBa": "RGBA"}.get(mode, "RGB")).convert(mode)
    image.info |= {"icc_profile": b"a profile", "dpi": (300, 300)}
    result = lapsrn_jax.upscale(image, weights=weights, width=25)
    assert result.size == (25, 30)
    held = {"1": "L", "P": "RGB", "PA": "RGBA", "RGBX": "RGB", "RGBa": "RGBA", "YCbCr": "RGB"}
    assert result.mode == held.get(mode, mode)
    assert result.info["icc_profile"] == b"a profile"
    assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_paths(rng, tmp_path, weights):
    image = PIL.Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8))
    image.save(tmp_path / "picture.png")
    result = lapsrn_jax.upscale(tmp_path / "picture.png", 2, weights=weights)
    np.testing.assert_array_equal(np.asarray(result), lapsrn_jax.upscale(np.asarray(image), 2, weights=weights))


def test_weights_that_changed_are_read_again(rng, tmp_path, params):
    weights = tmp_path / "tiny.safetensors"
    save_weights(weights, MODEL, params, {})
    image = rng.integers(0, 256, (12, 10), dtype=np.uint8)
    before = lapsrn_jax.upscale(image, 2, weights=weights)
    save_weights(weights, MODEL, jax.tree.map(jnp.zeros_like, params), {})
    after = lapsrn_jax.upscale(image, 2, weights=weights)
    assert np.abs(before.astype(int) - after).max() > 0


def test_an_image_is_anything_that_numpy_accepts(rng, weights, params):
    image = rng.random((5, 6, 3), np.float32)
    expected = lapsrn_jax.upscale(image, 2, weights=weights)
    np.testing.assert_array_equal(lapsrn_jax.upscale(jnp.asarray(image), 2, weights=weights), expected)
    np.testing.assert_allclose(lapsrn_jax.upscale(image.tolist(), 2, weights=weights), expected, atol=1e-6)
    upscaler = Upscaler(MODEL, params)
    gray = image[:, :, 0]
    for same in (jnp.asarray(gray), gray.astype(float).tolist()):
        np.testing.assert_allclose(upscaler(same, 2), upscaler(gray, 2), atol=1e-6)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ([[0.0, 1.0], [0.5]], "the image is a list that NumPy cannot convert to an array"),
        ([[0, 255], [3, 4]], "array of int64"),
        (None, "array of object"),
        (b"bytes", "not an image: an array of"),
        ([], r"shape \(0,\)"),
        (np.array([[0.5, np.nan]]), "has NaN values"),
        (np.zeros((4, 4), np.int32), "array of int32"),
        (np.zeros((4, 4, 5), np.uint8), r"shape \(4, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), "not an image"),
        (np.full((4, 4), 7.0), "from 7 to 7"),
        (np.full((4, 4), np.nan), "has NaN values"),
        (PIL.Image.new("F", (4, 4)), "32 bits per pixel"),
        (PIL.Image.new("HSV", (4, 4)), "of mode HSV"),
        (PIL.Image.new("RGB", (0, 5)), "has no pixels: it is 0 x 5"),
    ],
)
def test_bad_images_are_named(weights, image, words):
    with pytest.raises(UserError, match=words):
        lapsrn_jax.upscale(image, 2, weights=weights)


def test_an_upscaler_names_bad_images(params):
    upscaler = Upscaler(MODEL, params)
    for image, words in (
        (np.zeros((4, 4), np.uint8), "got uint8"),
        (np.zeros((4, 4, 4)), r"shape \(4, 4, 4\)"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        ([[0.0], [1.0, 2.0]], "cannot convert to an array"),
        (np.full((4, 4), np.nan), "not finite"),
    ):
        with pytest.raises(UserError, match=words):
            upscaler(image, 2)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA"])
def test_a_transparent_colour_in_info_becomes_alpha(weights, mode):
    """RGBA has its own transparency, so `info` is ignored there."""
    image = PIL.Image.new("RGB", (6, 6), (10, 20, 30))
    image.paste((200, 100, 50), (0, 0, 3, 6))
    image = image.convert(mode) if mode != "P" else image.quantize(4)
    image.info["transparency"] = image.getpixel((0, 0)) if mode != "RGBA" else 0
    result = lapsrn_jax.upscale(image, 2, weights=weights)
    assert result.mode == ("LA" if mode == "L" else "RGBA")
    alpha = np.asarray(result)[:, :, -1]
    assert (alpha[2:-2, -4:-2] > 200).all()
    assert (alpha[2:-2, 2:4] > 200).all() == (mode == "RGBA")
    assert (alpha[2:-2, 2:4] < 50).all() == (mode != "RGBA")


def test_an_image_is_turned_upright_by_its_exif(rng, weights):
    image = PIL.Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    image.getexif()[274] = 6
    result = lapsrn_jax.upscale(image, 2, weights=weights)
    assert result.size == (8, 12)
    upright = image.transpose(PIL.Image.Transpose.ROTATE_270)
    np.testing.assert_array_equal(result, lapsrn_jax.upscale(upright, 2, weights=weights))
    assert result.getexif().get(274, 1) == 1


@pytest.mark.slow
def test_compiled_programs_are_kept_for_the_next_process(tmp_path, weights):
    """JAX may already have compiled something. A cache folder that the user set is left as it is."""
    code = (
        "import jax, numpy, lapsrn_jax; jax.jit(lambda x: x + 1)(1);"
        f"lapsrn_jax.upscale(numpy.zeros((4, 4)), 2, weights={str(weights)!r})"
    )
    ours, theirs = tmp_path / "lapsrn_jax" / "compiled", tmp_path / "theirs"
    own = {"JAX_COMPILATION_CACHE_DIR": str(theirs), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    for environment, used, unused in ((own, theirs, ours), ({}, ours, None)):
        result = python(code, XDG_CACHE_HOME=str(tmp_path), **environment)
        assert result.returncode == 0, result.stderr
        assert any(used.iterdir())
        assert unused is None or not unused.exists()


def test_max_memory_means_the_same_everywhere(rng, tmp_path, weights, params, capsys):
    """The network gets half of the limit. The function, the class and the command refuse the same limits."""
    from lapsrn_jax.cli import main

    image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    PIL.Image.fromarray(image).save(tmp_path / "a.png")
    messages = []
    for enlarge in (
        lambda: lapsrn_jax.upscale(image, 2, weights=weights, max_memory=1000),
        lambda: Upscaler(MODEL, params, max_memory=1000)(image / 255, 2),
    ):
        with pytest.raises(UserError) as error:
            enlarge()
        messages.append(f"error: {error.value}\n")
    with pytest.raises(SystemExit):
        main(["upscale", f"{tmp_path}/a.png", "-o", f"{tmp_path}/b.png", "--scale", "2", "--max-memory", "1000",
              "--weights", str(weights)])  # fmt: skip
    messages.append(capsys.readouterr().err)
    assert len(set(messages)) == 1, messages
    assert "allow more memory" in messages[0]
    assert not (tmp_path / "b.png").exists()


def test_self_ensemble_reaches_the_network(rng, tmp_path, weights, params):
    """From the function and from the command."""
    from lapsrn_jax.cli import main

    image = rng.integers(0, 256, (12, 13), dtype=np.uint8)
    plain, averaged = (lapsrn_jax.upscale(image, 2, weights=weights, self_ensemble=value) for value in (False, True))
    expected = full_range(Upscaler(MODEL, params, self_ensemble=True)(studio_range(image / 255), 2))
    np.testing.assert_array_equal(averaged, np.floor(np.clip(expected, 0, 1) * 255 + 0.5))
    assert (plain != averaged).any()
    PIL.Image.fromarray(image).save(tmp_path / "a.png")
    main(["upscale", f"{tmp_path}/a.png", "-o", f"{tmp_path}/b.png", "--scale", "2", "--self-ensemble",
          "--weights", str(weights)])  # fmt: skip
    np.testing.assert_array_equal(PIL.Image.open(tmp_path / "b.png"), averaged)


def test_exif_is_kept(rng, tmp_path, weights):
    image = PIL.Image.fromarray(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8))
    image.getexif()[271] = "Maker"
    image.save(tmp_path / "a.png", exif=image.getexif())
    for source in (image, tmp_path / "a.png"):
        assert lapsrn_jax.upscale(source, 2, weights=weights).getexif()[271] == "Maker"


def test_hidden_colours_are_kept_on_demand(rng, weights):
    image = rng.integers(0, 256, (8, 9, 4), dtype=np.uint8)
    image[:, :, 3] = 0
    image[:, 4:, 3] = 255
    kept = lapsrn_jax.upscale(image, 2, weights=weights, keep_hidden=True)
    np.testing.assert_array_equal(kept[:, :, :3], lapsrn_jax.upscale(image[:, :, :3], 2, weights=weights))
    assert (lapsrn_jax.upscale(image, 2, weights=weights) != kept).any()
