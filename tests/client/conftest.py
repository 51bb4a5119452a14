"""The service of the tests of `vultus.server`, asked by clients."""

from tests.server.conftest import address as address
from tests.server.conftest import collins_jpeg as collins_jpeg
from tests.server.conftest import context as context
from tests.server.conftest import hopper_jpeg as hopper_jpeg
from tests.server.conftest import rocket_jpeg as rocket_jpeg
from tests.server.conftest import served as served
