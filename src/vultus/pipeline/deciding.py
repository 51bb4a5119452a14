"""What decisions stand on: this site's calibration, the model's card, and its search rates."""

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from vultus.core.checks import check_range
from vultus.core.choices import DEFAULT_FPIR, DEFAULT_MAX_FNIR
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.gallery.gallery import Gallery
from vultus.gallery.searching.searched import ThresholdRule
from vultus.matching.calibration import Calibration, load_calibration
from vultus.matching.cautious import cautious_table
from vultus.matching.model_rates import ModelRates, rates_from_package
from vultus.matching.operating_point import threshold_for_fmr, threshold_for_gallery
from vultus.models.built_in import built_in_rates
from vultus.models.names import is_model_name
from vultus.models.store import ModelStore
from vultus.pipeline.analyser import Analyser

logger = logging.getLogger(__name__)


class Deciding(Analyser):
    """An `Analyser` that knows the thresholds of its embedder.

    Attributes:
        max_fnir: In [0, 1]; a gallery whose threshold misses more of the enrolled is not searched.
    """

    max_fnir: float = DEFAULT_MAX_FNIR
    _rates: ModelRates | None = None

    @cached_property
    def calibration(self) -> Calibration | None:
        """This site's calibration of the embedder, as `vultus calibrate` left it in the store.

        None where there is none. `use_calibration` chooses another.

        Raises:
            ConfigError: If the file cannot be read.
            SpaceMismatchError: If it is of another embedding space.
        """
        path = ModelStore().calibration_path(self.embedder.card.name)
        if not path.is_file():
            return None
        return self._checked(load_calibration(path))

    def use_calibration(self, calibration: Calibration | str | Path | None) -> None:
        """Judge by another calibration than the store's.

        Args:
            calibration: A calibration, or its file; None judges by the model card alone.

        Raises:
            ConfigError: If the file cannot be read.
            SpaceMismatchError: If it is of another embedding space.
        """
        if isinstance(calibration, (str, Path)):
            calibration = load_calibration(calibration)
        self.calibration = None if calibration is None else self._checked(calibration)

    @property
    def rates(self) -> ModelRates:
        """What is known of the embedder without a calibration of one's own: card and searches."""
        check_range("max_fnir", self.max_fnir, low=0, high=1)
        if self._rates is None or self._rates.max_fnir != self.max_fnir:
            embedder = self.embedder
            text = built_in_rates(embedder.card.name) if is_model_name(embedder.card.name) else None
            known = (None, ()) if text is None else rates_from_package(text, embedder.space)
            self._rates = ModelRates(embedder.thresholds.points, *known, self.max_fnir)
        return self._rates

    @property
    def thresholds(self) -> ThresholdTable:
        """All thresholds of this site's calibration, else of the model's card."""
        site = self.calibration
        return self.embedder.thresholds if site is None else site.thresholds

    def rules(self, *, cautious: bool = False) -> tuple[ThresholdTable, Calibration | None]:
        """What decisions stand on: a table of the model's card, and this site's calibration.

        Args:
            cautious: Take thresholds that hold inside the worst group of people that was measured.

        Raises:
            CalibrationError: If none are known: the card has none, or a calibration is in use.
        """
        if not cautious:
            return self.rates, self.calibration
        model, site = self.embedder.card.name, self.calibration
        table = cautious_table(self.embedder.cautious, model=model, calibration=site)
        misses = self.rates.fnir_curves
        return ModelRates(table.points, None, misses, self.max_fnir), None

    def threshold(self, fmr: float, *, cautious: bool = False) -> Threshold:
        """The threshold at a false match rate of at most ``fmr``.

        Of this site's calibration if it carries the rate, else of the model's card; ``origin``
        says which.

        Args:
            fmr: In (0, 1].
            cautious: The rate holds inside the worst group of people that was measured, too.

        Raises:
            CalibrationError: If neither has a threshold that strict, or as `rules`.
        """
        table, calibration = self.rules(cautious=cautious)
        return threshold_for_fmr(table, fmr=fmr, calibration=calibration)

    def gallery_threshold(
        self,
        gallery: Gallery,
        *,
        fpir: float = DEFAULT_FPIR,
        cautious: bool = False,
        photos_per_probe: int = 1,
    ) -> Threshold:
        """As `Gallery.threshold`, of this recogniser's card and calibration.

        Args:
            gallery: The enrolled people.
            fpir: The chance in (0, 1) that a stranger is given a name, at most.
            cautious: As if all enrolled and the stranger were of the worst group of people that
                was measured.
            photos_per_probe: How many photos of the one who is searched for are fused.
        """
        table, calibration = self.rules(cautious=cautious)
        return gallery.threshold(
            table, fpir=fpir, calibration=calibration, photos_per_probe=photos_per_probe
        )

    def gallery_rule(self, *, fpir: float, cautious: bool = False) -> ThresholdRule:
        """What `gallery_threshold` gives, of the people who are there when they are searched.

        Args:
            fpir: As `gallery_threshold`.
            cautious: As `gallery_threshold`.
        """
        table, calibration = self.rules(cautious=cautious)

        def rule(people_by_photos: Mapping[int, int]) -> Threshold:
            return threshold_for_gallery(
                table, fpir=fpir, people_by_photos=people_by_photos, calibration=calibration
            )

        return rule

    def _checked(self, calibration: Calibration) -> Calibration:
        calibration.check_space(self.embedder.space)
        theirs, mine = calibration.data.detector, self._detector
        if theirs is not None and isinstance(mine, str) and mine != theirs:
            logger.warning(
                "the calibration of %s is on faces found by %s, not by %s: alignment moves "
                "similarities; run `vultus calibrate` with the detector in use",
                *(calibration.data.name, theirs, mine),
            )
        return calibration
