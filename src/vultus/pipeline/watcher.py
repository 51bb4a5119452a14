"""Who is told of every photo and decision of a recogniser: what a service measures."""

from collections.abc import Sequence
from typing import Protocol

from vultus.core.results import Identification, Verification
from vultus.gallery.gallery import Gallery
from vultus.pipeline.photos import AnalysedPhoto


class Watcher(Protocol):
    """Is told by several threads at once, changes nothing, and raises nothing."""

    def photo(self, photo: AnalysedPhoto) -> None:
        """A photo was analysed, for whatever purpose."""

    def verified(self, answer: Verification) -> None:
        """A comparison was decided."""

    def identified(self, gallery: Gallery, answers: Sequence[Identification]) -> None:
        """Faces were named, or called unknown, among the people of a gallery."""
