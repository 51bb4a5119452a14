"""`Gallery`: the people that a system knows, enrolled in one file."""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_range
from vultus.core.embeddings import Embeddings, EmbeddingSpace, TemplateSet
from vultus.core.errors import GalleryError, GallerySpaceError, IdentityNotFoundError, InputError
from vultus.core.results import Candidate, Identification
from vultus.core.text import did_you_mean
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.gallery.enrolment import (
    EnrolledPerson,
    Enrolment,
    judge_photos,
    normalise_identity,
    resemblances,
    to_embeddings,
    to_rows,
)
from vultus.gallery.stores.sqlite_1 import PhotoRow, SqliteStore
from vultus.matching.calibration import Calibration
from vultus.matching.fusion import chance_similarity, fuse
from vultus.matching.identify import identify
from vultus.matching.operating_point import threshold_for_gallery
from vultus.search.exact import search

logger = logging.getLogger(__name__)


class Gallery:
    """People enrolled in one SQLite file; made by `Gallery.open`.

    The file holds embeddings, never photos. It serves several threads and processes: one writes
    at a time, and what `enroll` or `remove` returned from is on disk. Use it as a context manager
    or call `close`.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._cached: tuple[tuple[int, int], TemplateSet] | None = None
        try:
            meta = store.meta()
            self.space = EmbeddingSpace(**json.loads(meta["space"]))
            self.outlier_similarity = float(meta["outlier_similarity"])
        except (KeyError, TypeError, ValueError) as error:
            raise GalleryError(
                f"{store.path} is damaged: its description cannot be read; restore a backup"
            ) from error

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        space: EmbeddingSpace | None = None,
        outlier_similarity: float | None = None,
    ) -> "Gallery":
        """Open a gallery file; make it when it does not exist and ``space`` is given.

        Args:
            path: The file; its folder must exist. A file that is no gallery is never touched.
            space: The space of the embeddings that will be enrolled. None opens only.
            outlier_similarity: In [-1, 1]; two photos less alike than this are not of one person
                (see `vultus.matching.fusion.fuse`). Fixed when the file is made; None takes
                `chance_similarity`, or what the file has. A threshold calibrated at FMR 1e-2 or
                so is better; -1 refuses nothing.

        Raises:
            GalleryError: If the file is missing, foreign, damaged, or cannot be made.
            GallerySpaceError: If the file holds another space than ``space``.
            InputError: If the file was made with another ``outlier_similarity``.
        """
        if outlier_similarity is not None:
            check_range("outlier_similarity", outlier_similarity, low=-1, high=1)
        meta = None if space is None else _description(space, outlier_similarity)
        store = SqliteStore(Path(path), meta=meta)
        try:
            gallery = cls(store)
            if space is not None:
                gallery._check_space(space)
            if outlier_similarity not in (None, gallery.outlier_similarity):
                raise InputError(
                    f"{path} was made with outlier_similarity {gallery.outlier_similarity}, which "
                    f"is fixed; got {outlier_similarity}. Leave it out, or make a new gallery"
                )
        except Exception:
            store.close()
            raise
        return gallery

    @property
    def path(self) -> Path:
        """The gallery's file."""
        return self._store.path

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._store.close()

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._store.people())

    def enroll(
        self,
        identity: str,
        embeddings: Embeddings,
        *,
        sources: Sequence[str] | None = None,
        alike: Threshold | None = None,
    ) -> Enrolment:
        """Add photos of one person, new or enrolled before; all at once or not at all.

        Photos that differ from the majority of this person's photos are left out and reported,
        as are photos enrolled before. Two photos that differ cannot say who is right: an error.

        Args:
            identity: The name; normalised (NFC, stripped), 1 to 200 characters.
            embeddings: One row per photo, at least one.
            sources: A label per photo, e.g. its path, or None.
            alike: From which similarity on two faces are one person's: photos that are added and
                are that much like somebody else's template are told (`Enrolment.resemblances`), so
                that nobody is enrolled twice unnoticed. None compares with nobody.

        Returns:
            What was done with each photo; when this returns, it is on disk.

        Raises:
            InputError: If the name or ``sources`` is not fit, there is no photo, the photos
                disagree, or none of them is like those enrolled before. Nothing is added.
            GallerySpaceError: If the embeddings are of another space.
            GalleryError: If the file cannot be written.
        """
        name = normalise_identity(identity)
        self._check_space(embeddings.space)
        if not len(embeddings):
            raise InputError(f"enrolling {name!r} needs at least one photo, got none")
        rows = to_rows(embeddings, sources)
        others = None if alike is None else self.template_set()
        kept = None
        with self._store.transaction(write=True):
            known = self._embeddings([row for _, row in self._store.photos(name)])
            try:
                reasons = judge_photos(
                    embeddings, known, identity=name, outlier_similarity=self.outlier_similarity
                )
            except InputError as error:
                raise InputError(f"nothing was enrolled: {error}") from None
            fit = [row for row, why in zip(rows, reasons, strict=True) if not why]
            if fit:
                self._store.add(name, fit, when=datetime.now(UTC).isoformat(timespec="seconds"))
                if others is not None:
                    kept = self._templates_with(name)
        for row, why in zip(rows, reasons, strict=True):
            if why:
                logger.info("%s: photo %s left out: %s", name, row.source, "; ".join(why))
        self._cached = self._cached if kept is None else kept  # when it is on disk
        if alike is None or others is None:
            return Enrolment(name, reasons)
        added = [place for place, why in enumerate(reasons) if not why]
        return Enrolment(name, reasons, resemblances(name, embeddings, added, others, alike))

    def _templates_with(self, name: str) -> tuple[tuple[int, int], TemplateSet] | None:
        """The templates that are kept with one of a person, for when this transaction is done.

        Else a folder of n people would have all templates fused n times.
        """
        version, changes = self._store.state()
        if self._cached is None or self._cached[0] != (version, changes):
            return None
        vector = self._fused(name, [row for _, row in self._store.photos(name)])
        before = self._cached[1]
        vectors, people = before.vectors.copy(), before.identities
        if name in people:
            vectors[people.index(name)] = vector
        else:
            vectors, people = np.concatenate([vectors, vector[None]]), (*people, name)
        return (version, changes + 1), TemplateSet(vectors, people, self.space)

    def remove(self, identity: str) -> None:
        """Erase a person; no vector of theirs stays in the file.

        The whole file is rewritten, so it takes a moment with many people. What the disk itself
        keeps of overwritten or deleted blocks is beyond this library: encrypt the disk.

        Raises:
            IdentityNotFoundError: If nobody of that name is enrolled; the message suggests names.
            GalleryError: If the file cannot be written.
        """
        name = normalise_identity(identity)
        if not self._store.erase(name):
            known = [person.identity for person in self.identities()]
            hint = did_you_mean(name, known, most=3)
            raise IdentityNotFoundError(f"nobody named {name!r} is enrolled in {self.path}{hint}")
        self._cached = None  # nor in memory

    def identities(self) -> list[EnrolledPerson]:
        """Who is enrolled, in the order of enrolment."""
        return [EnrolledPerson(*row) for row in self._store.people()]

    def template_set(self) -> TemplateSet:
        """One fused template per person, in the order of enrolment; kept until the file changes.

        Raises:
            GalleryError: If the file cannot be read or is damaged.
        """
        with self._store.transaction():
            state = self._store.state()
            if self._cached is not None and self._cached[0] == state:
                return self._cached[1]
            photos = self._store.photos()
        people = {
            name: self._fused(name, [row for _, row in rows])
            for name, rows in groupby(photos, key=lambda photo: photo[0])
        }
        vectors = np.array(list(people.values()), np.float32).reshape(-1, self.space.dim)
        templates = TemplateSet(vectors, tuple(people), self.space)
        self._cached = (state, templates)
        return templates

    def search(self, probe: Embeddings, *, rank: int = 5) -> list[tuple[Candidate, ...]]:
        """Rank the enrolled people for each probe face, without a decision.

        Raises:
            GallerySpaceError: If the probe is of another space.
            InputError: If ``rank`` is not positive.
        """
        self._check_space(probe.space)
        return search(probe, self.template_set(), rank=rank)

    def identify(
        self,
        probe: Embeddings,
        *,
        table: ThresholdTable | None = None,
        calibration: Calibration | None = None,
        fpir: float = 0.01,
        threshold: Threshold | None = None,
        rank: int = 5,
    ) -> list[Identification]:
        """Name each probe face or call it unknown.

        Args:
            probe: The faces looked for.
            table: The thresholds on the model's card.
            calibration: This site's calibration of the model, which comes before ``table``. One
                of them is needed unless ``threshold`` is given; see `threshold`.
            fpir: The chance in (0, 1) that a stranger is given a name, at most.
            threshold: A rule to use instead.
            rank: How many candidates to give per face.

        Raises:
            GallerySpaceError: If the probe is of another space.
            SpaceMismatchError: If the calibration is of another space.
            CalibrationError: If neither can carry ``fpir`` for the people enrolled.
            InputError: If nothing is given to decide by, or a value is out of range.
        """
        self._check_space(probe.space)
        promised = None
        if threshold is None:
            if table is None and calibration is None:
                raise InputError(
                    "identify needs table=... or calibration=... (calibrated thresholds), or "
                    "threshold=..."
                )
            card = ThresholdTable() if table is None else table
            threshold = self.threshold(card, fpir=fpir, calibration=calibration)
            promised = fpir
        templates = self.template_set()
        return identify(probe, templates, threshold=threshold, fpir=promised, rank=rank)

    def threshold(
        self, table: ThresholdTable, *, fpir: float = 0.01, calibration: Calibration | None = None
    ) -> Threshold:
        """The threshold that keeps the FPIR among those enrolled now at or below ``fpir``.

        By the site's calibration, else by the model's card, as `threshold_for_gallery` says.

        Args:
            table: The thresholds on the model's card.
            fpir: The chance in (0, 1) that a stranger is given a name, at most.
            calibration: This site's calibration of the model, or None.

        Raises:
            SpaceMismatchError: If the calibration is of another space.
            CalibrationError: If neither can carry that for a gallery of this size.
        """
        if calibration is not None:
            calibration.check_space(self.space)
        counts = Counter(person.n_photos for person in self.identities())
        return threshold_for_gallery(
            table, fpir=fpir, people_by_photos=counts, calibration=calibration
        )

    def _fused(self, name: str, rows: list[PhotoRow]) -> npt.NDArray[np.float32]:
        photos = self._embeddings(rows)
        try:
            fusion = fuse(photos, identity=name, outlier_similarity=self.outlier_similarity)
        except InputError as error:
            raise self._damaged(error) from error
        return fusion.template.vector

    def _embeddings(self, rows: list[PhotoRow]) -> Embeddings:
        try:
            return to_embeddings(rows, self.space)
        except ValueError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> GalleryError:
        return GalleryError(f"{self.path} is damaged ({error}); restore a backup")

    def _check_space(self, space: EmbeddingSpace) -> None:
        if space != self.space:
            raise GallerySpaceError(
                f"{self.path} holds embeddings of {self.space}, got {space}; re-enrol its people "
                f"with {space.model} in a new gallery, or use model {self.space.model}"
            )


def _description(space: EmbeddingSpace, outlier_similarity: float | None) -> dict[str, str]:
    outlier = chance_similarity(space.dim) if outlier_similarity is None else outlier_similarity
    return {"space": json.dumps(space.to_dict()), "outlier_similarity": repr(float(outlier))}
