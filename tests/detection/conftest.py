"""One MTCNN for all tests: opening it builds three graphs."""

import pytest

from vultus.detection.mtcnn.detector import MtcnnDetector


@pytest.fixture(scope="session")
def mtcnn() -> MtcnnDetector:
    return MtcnnDetector(threads=1)
