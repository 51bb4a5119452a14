"""What an operator watches, for Prometheus: requests, photos, decisions, and their error rates.

No label holds the name or id of a person; ids of galleries are labels where the operator allows it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vultus import __version__
from vultus.core.errors import GalleryError
from vultus.core.phases import Phase
from vultus.core.results import Identification, Verification
from vultus.gallery.gallery import Gallery
from vultus.gallery.stores.places import gallery_name
from vultus.matching.live_rates import UnknownSearches
from vultus.pipeline.photos import AnalysedPhoto
from vultus.pipeline.recognizer import Recognizer
from vultus.quality.gate import kind_of_refusal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIMILARITIES = tuple(round(0.05 * step, 2) for step in range(-4, 21))
_UNIT = tuple(round(0.1 * step, 1) for step in range(1, 11))
_POSITIONS = (0.0001, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1)
_FACES = (0, 1, 2, 3, 5, 10, 20, 50, 100)
_ALL = "all"


class Metrics:
    """The measures of one service; a `Watcher` of its recogniser.

    Args:
        recognizer: Whose decisions they are; its calibration is what is compared with.
        galleries: Gives the open galleries by id.
        by_gallery: Whether ids of galleries are labels; else all are counted as ``all``.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        galleries: Callable[[], Mapping[str, Gallery]],
        *,
        by_gallery: bool = False,
    ) -> None:
        self._recognizer, self._galleries = recognizer, galleries
        self.by_gallery = by_gallery
        self.unknown = UnknownSearches()
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._of_requests()
        self._of_photos()
        self._of_decisions()
        self.registry.register(_Now(self))

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self.registry)

    def asked(self, *, operation: str, method: str, status: int, seconds: float) -> None:
        """A request was answered.

        Args:
            operation: The template of its address, never the address.
            method: Of HTTP.
            status: Likewise.
            seconds: From its first byte to the last of the answer.
        """
        self._requests.labels(operation, method, str(status)).inc()
        self._seconds.labels(operation, method).observe(seconds)

    def refused(self, code: str) -> None:
        """A request was answered by a problem of this code."""
        self._problems.labels(code).inc()

    @contextmanager
    def phase(self, name: Phase, _: Mapping[str, int]) -> Iterator[None]:
        """As a `vultus.core.phases.PhaseObserver`: how long it takes."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._phases.labels(name).observe(time.perf_counter() - begun)

    def photo(self, photo: AnalysedPhoto) -> None:
        """As `Watcher`: how many faces, how good they are, why some were refused."""
        self._photos.inc()
        self._faces.observe(len(photo.faces))
        for score in photo.quality.score.tolist():
            self._quality.observe(score)
        if photo.quality.trust is not None:
            for trust in photo.quality.trust.tolist():
                self._trust.observe(trust)
        for reason in (reason for refusal in photo.refusals for reason in refusal):
            self._refusals.labels(kind_of_refusal(reason)).inc()

    def verified(self, answer: Verification) -> None:
        """As `Watcher`: how alike the faces are, and what that was called."""
        called = "same" if answer.same_person else "different"
        self._comparisons.labels(called).observe(answer.similarity)

    def identified(self, gallery: Gallery, answers: Sequence[Identification]) -> None:
        """As `Watcher`: who was known, how alike the best was, what the calibration says of it."""
        name = self._label(gallery)
        for answer in answers:
            called = "unknown" if answer.identity is None else "recognised"
            called = "refused" if answer.refusal else called
            self._searches.labels(name, called).inc()
            if answer.candidates:
                self._best.labels(called).observe(answer.candidates[0].similarity)
            if answer.refusal:
                continue
            if answer.fpir is not None:
                self._stated.inc(answer.fpir)
            if answer.identity is None:
                self._note_unknown(gallery, answer)

    def _note_unknown(self, gallery: Gallery, answer: Identification) -> None:
        """What the calibration says of the best candidate of an unknown face."""
        curves = None if (site := self._recognizer.calibration) is None else site.fpir_curves
        curves = self._recognizer.rates.fpir_curves if curves is None else curves
        people = gallery.people_by_photos
        if curves is None or not people or not answer.candidates or answer.n_photos > 1:
            return
        stated = curves.fpir(answer.threshold.similarity, people_by_photos=people)
        position = curves.fpir(answer.candidates[0].similarity, people_by_photos=people)
        self.unknown.add(stated=stated, position=position)
        self._position.observe(position)

    def _label(self, gallery: Gallery) -> str:
        return gallery_name(gallery.location) if self.by_gallery else _ALL

    def people(self) -> dict[str, int]:
        """How many people are enrolled, by label."""
        counted: dict[str, int] = {}
        for gallery in self._galleries().values():
            label = self._label(gallery)
            with suppress(GalleryError):  # it is being deleted, or cannot be read
                counted[label] = counted.get(label, 0) + len(gallery)
        return counted

    def model(self) -> tuple[str, str, bool]:
        """Embedder, detector, and whether the site calibrated it."""
        recognizer = self._recognizer
        calibrated = recognizer.calibration is not None
        return recognizer.embedder.space.model, recognizer.detector_name, calibrated

    def _of_requests(self) -> None:
        self._requests = Counter(
            "vultus_requests",
            "Requests answered, by the template of their address.",
            ["operation", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "vultus_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["operation", "method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._phases = Histogram(
            "vultus_phase_seconds",
            "What a part of a request took: decode, detect, embed, search, store.",
            ["phase"],
            buckets=(0.001, 0.0025, *_SECONDS),
            registry=self.registry,
        )
        self._problems = Counter(
            "vultus_problems", "Answers that are problems.", ["code"], registry=self.registry
        )
        self.in_flight = Gauge(
            "vultus_requests_in_flight",
            "Requests that are being worked on.",
            registry=self.registry,
        )

    def _of_photos(self) -> None:
        self._photos = Counter("vultus_photos", "Photos analysed.", registry=self.registry)
        self._faces = Histogram(
            "vultus_photo_faces", "Faces of a photo.", buckets=_FACES, registry=self.registry
        )
        self._quality = Histogram(
            "vultus_face_quality",
            "Combined quality of a face, 0 to 1.",
            buckets=_UNIT,
            registry=self.registry,
        )
        self._trust = Histogram(
            "vultus_face_trust",
            "How far a face is trusted, 0 to 1; models with a trust head only.",
            buckets=_UNIT,
            registry=self.registry,
        )
        self._refusals = Counter(
            "vultus_face_refusals",
            "Limits that faces broke; a face may break several.",
            ["reason"],
            registry=self.registry,
        )

    def _of_decisions(self) -> None:
        self._comparisons = Histogram(
            "vultus_comparison_similarity",
            "Similarity of comparisons (1:1), by answer: same, different.",
            ["answer"],
            buckets=_SIMILARITIES,
            registry=self.registry,
        )
        self._searches = Counter(
            "vultus_searches",
            "Faces searched for (1:N), by answer: recognised, unknown, refused.",
            ["gallery", "answer"],
            registry=self.registry,
        )
        self._best = Histogram(
            "vultus_search_similarity",
            "Similarity of the best candidate of a search, by answer.",
            ["answer"],
            buckets=_SIMILARITIES,
            registry=self.registry,
        )
        self._stated = Counter(
            "vultus_stated_false_positives",
            "Sum of the FPIR of each search: false names if all were strangers as calibrated.",
            registry=self.registry,
        )
        self._position = Histogram(
            "vultus_unknown_position",
            "FPIR at which the best candidate of an unknown face would have been named.",
            buckets=_POSITIONS,
            registry=self.registry,
        )


class _Now(Collector):
    """What is asked only when it is read: galleries, the live FPIR, drift."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is worked out to register it."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        model, detector, calibrated = self._metrics.model()
        about = GaugeMetricFamily(
            "vultus_info", "What runs.", labels=["version", "model", "detector", "calibrated"]
        )
        about.add_metric([__version__, model, detector, "yes" if calibrated else "no"], 1)
        yield about
        people = GaugeMetricFamily("vultus_people", "People enrolled.", labels=["gallery"])
        for name, count in sorted(self._metrics.people().items()):
            people.add_metric([name], count)
        yield people
        found, drift = self._metrics.unknown.live_fpir(), self._metrics.unknown.drift()
        if found is not None:
            for name, value, words in (
                ("live_fpir", found.fpir, "FPIR as the last unknown faces have it"),
                ("live_fpir_low", found.low, "Lower end of its 95 % interval"),
                ("live_fpir_high", found.high, "Upper end of its 95 % interval"),
                ("live_fpir_stated", found.stated, "What the calibration says of the same"),
            ):
                yield GaugeMetricFamily(f"vultus_{name}", f"{words}.", value=value)
        if drift is not None:
            for name, value, words in (
                ("psi", drift.psi, "Population stability index"),
                ("ks", drift.ks, "Kolmogorov-Smirnov distance"),
                ("searches", drift.n_searches, "Searches behind the figures"),
            ):
                told = f"{words} of unknown faces' positions against the calibration."
                yield GaugeMetricFamily(f"vultus_drift_{name}", told, value=value)
