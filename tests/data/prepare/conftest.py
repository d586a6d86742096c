import pytest

from tests.data.prepare.making import BODY
from tests.data.prepare.server import serving


@pytest.fixture
def server():
    with serving() as server:
        server.files["/file"] = BODY
        yield server
