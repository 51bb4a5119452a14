"""Data sets of faces: folders, lists, RecordIO, tars, pair sets; read without torch."""

from vultus.data import synthetic as _synthetic  # noqa: F401
from vultus.data.base import DATASETS, FaceDataset, open_dataset
from vultus.data.formats import folder as _folder  # noqa: F401 - each import registers its kind
from vultus.data.formats import list_file as _list_file  # noqa: F401
from vultus.data.formats import recordio as _recordio  # noqa: F401
from vultus.data.formats import webdataset as _webdataset  # noqa: F401

__all__ = ["DATASETS", "FaceDataset", "open_dataset"]
