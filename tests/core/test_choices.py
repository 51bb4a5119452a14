"""Names that stand in `vultus.core.choices` for the help are those that the registries hold."""

from typing import get_args

from vultus.alignment.crop_templates import TEMPLATES
from vultus.core import choices
from vultus.data import DATASETS
from vultus.data.formats.writers import WRITERS
from vultus.detection.base import DETECTORS
from vultus.evaluation.protocols import PROTOCOLS
from vultus.models.store import ModelStore
from vultus.runtime.providers import PROVIDERS


def test_names_are_those_of_the_registries() -> None:
    assert sorted(TEMPLATES) == list(choices.TEMPLATE_NAMES)
    assert list(DATASETS) == list(choices.DATASET_NAMES)
    assert list(WRITERS) == list(choices.WRITER_NAMES)
    assert list(PROTOCOLS) == list(choices.PROTOCOL_NAMES)
    assert set(get_args(choices.Runtime)) == {"auto", *PROVIDERS}
    assert (*get_args(choices.Selection), "person") == choices.CROP_SELECTS


def test_defaults_are_known_names() -> None:
    assert choices.DEFAULT_DETECTOR in DETECTORS
    assert choices.DEFAULT_TEMPLATE in TEMPLATES
    assert choices.DEFAULT_EMBEDDER in ModelStore().names("embedding")
