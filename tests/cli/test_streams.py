"""Commands whose standard streams are closed, full or strict, and whose terminal goes away."""

import os
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from lapsrn_jax.images.io import write_image
from lapsrn_jax.models import Pyramid, initial
from lapsrn_jax.weights.files import save_weights
from tests import tiny
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses a shell and Linux's devices")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three pictures, three files that are none, and weights."""
    folder = tmp_path_factory.mktemp("streams")
    rng = np.random.default_rng(0)
    (folder / "in").mkdir()
    for name in ("a", "c", "e"):
        write_image(folder / "in" / f"{name}.png", tiny.photograph(rng, 8, 9))
    for name in ("b", "d", "f"):
        (folder / "in" / f"{name}.png").write_bytes(b"no picture")
    model = Pyramid(**tiny.MODEL)
    save_weights(folder / "w.safetensors", model, initial(model, jax.random.key(0)), {})
    return folder


def lapsrn(folder, arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs the command in a shell, which may redirect streams."""
    line = f"{sys.executable} -m lapsrn_jax.cli {arguments}"
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(["bash", "-c", line], cwd=folder, env=variables, capture_output=True, check=False)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(folder, closed):
    assert lapsrn(folder, f"cache {closed}").returncode == 0
    assert lapsrn(folder, f"upscale none.png -o out.png {closed}").returncode == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_is_one_write(unbuffered):
    """The lines of several processes stay whole in one log."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # keeps writes apart
    ours.settimeout(10)
    with ours, theirs:
        code = "from lapsrn_jax.errors import say; say('one'); say('two')"
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONUNBUFFERED": unbuffered}, stderr=theirs, check=True
        )
        assert [ours.recv(100), ours.recv(100)] == [b"one\n", b"two\n"]


@pytest.mark.slow
def test_a_picture_is_enlarged_with_closed_streams(folder):
    run = lapsrn(folder, "upscale in/a.png -o closed.png --scale 2 --weights w.safetensors <&- >&- 2>&-")
    assert run.returncode == 0
    assert (folder / "closed.png").exists()
    assert lapsrn(folder, "upscale in/a.png -o - --weights w.safetensors >&-").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("stderr", ["2>/dev/full", "2> >(true)"])
def test_a_batch_goes_on_where_its_messages_cannot_be_written(folder, tmp_path, stderr):
    run = lapsrn(folder, f"upscale in -o {tmp_path}/out --scale 2 --weights w.safetensors {stderr}")
    assert run.returncode == 1
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"a.png", "c.png", "e.png"}


@pytest.mark.slow
def test_file_names_need_not_be_text(folder):
    (folder / os.fsdecode(b"\xe9.png")).write_bytes((folder / "in" / "a.png").read_bytes())
    arguments = r"upscale $'\xe9.png' -o $'out\xe9.png' --scale 2 --weights w.safetensors"
    run = lapsrn(folder, arguments, PYTHONIOENCODING="utf-8:strict")
    assert run.returncode == 0, run.stderr
    assert run.stdout == b"out\\udce9.png: 18 x 16 pixels; weights: w.safetensors\n"


HANGUP = """
import os, signal, sys, time
from lapsrn_jax.cli import main
from lapsrn_jax.upscaling import batch
def upscale_picture(*arguments):
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(1)
    return {"status": "skipped"}
batch.upscale_picture = upscale_picture
main(["upscale", "in/a.png", "-o", "hangup.png", "--weights", "w.safetensors"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("before", "status"), [("", 129), ("signal.signal(signal.SIGHUP, signal.SIG_IGN)\n", 0)])
def test_a_closed_terminal_ends_the_command_in_order(folder, before, status):
    """An exception, so that it removes what is half-written; nohup makes it go on."""
    code = HANGUP.replace("from lapsrn_jax.cli", f"{before}from lapsrn_jax.cli")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert run.returncode == status
