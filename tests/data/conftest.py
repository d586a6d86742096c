import pytest

from tests.data.making import BODY
from tests.data.server import serving


@pytest.fixture
def server():
    with serving() as server:
        server.files["/file"] = BODY
        yield server
