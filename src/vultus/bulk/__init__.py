"""The same work on many photos by many processes, of one machine or of a Dask cluster."""

from importlib.util import find_spec

from vultus.core.errors import MissingDependencyError
from vultus.core.text import install_hint

if any(find_spec(name) is None for name in ("distributed", "pyarrow")):
    raise MissingDependencyError(f"work in bulk needs Dask and pyarrow; {install_hint('bulk')}")
