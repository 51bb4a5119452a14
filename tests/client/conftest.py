"""The service of the tests of `vultus.server`, asked by clients: all of its fixtures."""

from tests.server.conftest import *  # noqa: F403
