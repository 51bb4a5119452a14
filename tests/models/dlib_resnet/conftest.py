import pytest
from tests.models.dlib_resnet.small_network import SmallNetwork


@pytest.fixture
def small_network() -> SmallNetwork:
    return SmallNetwork()
