"""Whom a gallery's faces are like: ranked, decided, among everybody or some groups."""

import copy
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Self

from vultus.core.checks import check_range
from vultus.core.embeddings import Embeddings, EmbeddingSpace, TemplateSet
from vultus.core.errors import GallerySpaceError, InputError
from vultus.core.phases import phase
from vultus.core.results import Candidate, Identification
from vultus.core.text import did_you_mean
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.gallery.opening import OpenedGallery
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.searching.searcher import Ranked, Searcher
from vultus.gallery.searching.seen import look
from vultus.gallery.searching.templates import index_path
from vultus.matching.calibration import Calibration
from vultus.matching.operating_point import threshold_for_gallery

ThresholdRule = Callable[[Mapping[int, int]], Threshold]
"""Makes a threshold of `SearchedGallery.people_by_photos`."""


class SearchedGallery:
    """What `vultus.gallery.gallery.Gallery` answers about faces.

    Args:
        opened: The gallery's parts.
    """

    def __init__(self, opened: OpenedGallery) -> None:
        self._opened = opened
        self._store, self._roster = opened.store, opened.roster
        self._searcher = Searcher(
            opened.roster, opened.description.space, path=index_path(opened.store.location)
        )
        self._groups: tuple[str, ...] | None = None
        self.space = opened.description.space

    @property
    def path(self) -> Path:
        """The gallery's file; of one in a database `location`, as far as a path can tell it."""
        return Path(self._store.location)

    @property
    def location(self) -> str:
        """The gallery's file, or the URL of one in a database without user and options."""
        return self._store.location

    @property
    def position(self) -> int:
        """Position of the last change of anybody, by any process: what a search now will see."""
        return self._store.position()

    @property
    def searched_position(self) -> int:
        """Up to which change the last search of this process saw the gallery; 0 before the first.

        It is never below what `position` was when the search began.
        """
        return self._searcher.position

    def among(self, groups: Collection[str]) -> Self:
        """The same open gallery, in which only people of these groups are searched.

        Thresholds follow how many those are.

        Raises:
            InputError: If nobody is in one of the groups.
        """
        sizes = self.groups()
        for name in groups:
            if name not in sizes:
                hint = did_you_mean(name, list(sizes), most=3)
                raise InputError(f"nobody in {self.location} is in a group {name!r}{hint}")
        view = copy.copy(self)
        view._groups = tuple(groups)
        return view

    def groups(self) -> Mapping[str, int]:
        """Name of each group -> how many people are in it."""
        return self._store.group_sizes()

    @property
    def people_by_photos(self) -> Mapping[int, int]:
        """Number of photos -> how many of those who can be found have so many; without zeros."""
        return self._people_by_photos(self._groups)

    def template_set(self) -> TemplateSet:
        """One fused template per person, in the order of enrolment; kept until the file changes.

        Raises:
            GalleryError: If the file cannot be read or is damaged.
        """
        return self._searcher.template_set()

    def search(
        self, probe: Embeddings, *, rank: int = 5, groups: Collection[str] | None = None
    ) -> list[tuple[Candidate, ...]]:
        """Rank the enrolled people for each probe face, without a decision.

        Args:
            probe: The faces looked for.
            rank: How many candidates to give per face.
            groups: Only people of these groups may be found; None for those of `among`.

        Raises:
            GallerySpaceError: If the probe is of another space.
            InputError: If ``rank`` is not positive.
        """
        return self._ranked(probe, rank, self._groups if groups is None else groups).candidates

    def identify(
        self,
        probe: Embeddings,
        *,
        threshold: Threshold | ThresholdRule,
        fpir: float | None = None,
        rank: int = 5,
    ) -> list[Identification]:
        """Name each probe face or call it unknown.

        Args:
            probe: The faces looked for.
            threshold: The rule for the best candidate; `threshold` gives that of this gallery's
                size (`vultus.pipeline.recognizer.Recognizer.gallery_threshold` by the site's
                calibration, else the model's card). Or what makes one of how many people there are,
                by their number of photos, when they are searched.
            fpir: What the rule was made for, in (0, 1); only noted in the answers.
            rank: How many candidates to give per face.

        Raises:
            GallerySpaceError: If the probe is of another space.
            InputError: If a value is out of range.
        """
        if fpir is not None:
            check_range("fpir", fpir, low=0, high=1, low_open=True, high_open=True)
        found = self._ranked(probe, rank, self._groups)
        rule = threshold if isinstance(threshold, Threshold) else threshold(found.people_by_photos)
        size = sum(found.people_by_photos.values())
        return [Identification(each, rule, fpir, size) for each in found.candidates]

    def threshold(
        self,
        table: ThresholdTable,
        *,
        fpir: float = 0.01,
        calibration: Calibration | None = None,
        groups: Collection[str] | None = None,
        photos_per_probe: int = 1,
    ) -> Threshold:
        """The threshold that keeps the FPIR among those enrolled now at or below ``fpir``.

        By the site's calibration, else by the model's card, as `threshold_for_gallery` says.

        Args:
            table: The thresholds on the model's card.
            fpir: The chance in (0, 1) that a stranger is given a name, at most.
            calibration: This site's calibration of the model, or None.
            groups: Only people of these groups are searched; None for those of `among`.
            photos_per_probe: How many photos of the one who is searched for are fused.

        Raises:
            SpaceMismatchError: If the calibration is of another space.
            CalibrationError: If neither can carry that for a gallery of this size.
        """
        if calibration is not None:
            calibration.check_space(self.space)
        return threshold_for_gallery(
            table,
            fpir=fpir,
            people_by_photos=self._people_by_photos(self._groups if groups is None else groups),
            calibration=calibration,
            photos_per_probe=photos_per_probe,
        )

    def uids(self, identities: Collection[str]) -> Mapping[str, str]:
        """Name -> `Person.uid`, of those of some people who are enrolled; asked at once."""
        names = [normalise_identity(identity) for identity in identities]
        return {name: each.row.uid.hex() for name, each in self._roster.find_many(names).items()}

    def _ranked(self, probe: Embeddings, rank: int, groups: Collection[str] | None) -> Ranked:
        self.check_space(probe.space)
        with phase("search", faces=len(probe)):
            return self._searcher.search(probe, rank=rank, groups=groups)

    def _people_by_photos(self, groups: Collection[str] | None) -> Mapping[int, int]:
        return look(self._roster, groups).people_by_photos

    def check_space(self, space: EmbeddingSpace) -> None:
        """Refuse embeddings of another space.

        Raises:
            GallerySpaceError: If it is another one.
        """
        if space != self.space:
            raise GallerySpaceError(
                f"{self.location} holds embeddings of {self.space}, got {space}; re-enrol its "
                f"people with {space.model} in a new gallery, or use model {self.space.model}"
            )
