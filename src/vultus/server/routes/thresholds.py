"""What rates mean for a gallery: the threshold of each, and what it misses."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from vultus.core.errors import CalibrationError
from vultus.core.thresholds import Threshold
from vultus.matching.operating_point import threshold_for_fmr, threshold_for_gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.server.context import Reader
from vultus.server.fields import GalleryId
from vultus.server.routing import make_router

router = make_router("/v1/galleries/{gallery}/thresholds", "galleries", 404)

_FMRS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
_FPIRS = (0.3, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001)
_SIZES = (10, 100, 1000, 10_000, 100_000)
_ONE_PHOTO = {1: 1}


class RuleTold(BaseModel):
    """The threshold at a rate, or why there is none."""

    asked: float = Field(description="The rate: FMR of a comparison, or FPIR of a search.")
    threshold: dict[str, Any] | None = Field(description="With what its rate stands on; or null.")
    fpir_high: float | None = Field(default=None, description="Upper end of the interval.")
    fnir: float | None = Field(default=None, description="The share that is missed.")
    fnir_high: float | None = None
    refusal: str | None = Field(description="Why nobody can promise this rate; else null.")


class RulesOfSize(BaseModel):
    """The thresholds of searches among so many people."""

    people: int
    searches: list[RuleTold]


class SiteCalibration(BaseModel):
    """What this site measured of the model."""

    created_at: str
    people: int
    photos: int
    searches: bool = Field(description="Whether searches were measured, not comparisons alone.")


class Thresholds(BaseModel):
    """What rates mean for a gallery."""

    model: str
    people: int
    calibration: SiteCalibration | None = Field(description="Null: what came with the model.")
    comparisons: list[RuleTold] = Field(description="1:1, by false match rate.")
    searches: list[RuleTold] = Field(description="In this gallery as it is, by FPIR.")
    sizes: list[RulesOfSize] = Field(description="In other ones, with as many photos a person.")


@router.get("")
def thresholds(caller: Reader, gallery: GalleryId) -> Thresholds:
    """The threshold at each rate, for comparisons and for searches in a gallery of this size."""
    recognizer, known = caller.context.recognizer, caller.gallery(gallery)
    photos = dict(known.people_by_photos)
    table, site = recognizer.rules()
    return Thresholds(
        model=known.space.model,
        people=len(known),
        calibration=_calibration(recognizer),
        comparisons=[
            _rule(fmr, lambda fmr: threshold_for_fmr(table, fmr=fmr, calibration=site))
            for fmr in _FMRS
        ],
        searches=_searches(recognizer, photos),
        sizes=[
            RulesOfSize(people=size, searches=_searches(recognizer, _scaled(photos, size)))
            for size in _SIZES
        ],
    )


def _searches(recognizer: Recognizer, people_by_photos: Mapping[int, int]) -> list[RuleTold]:
    table, site = recognizer.rules()

    def rule(fpir: float) -> Threshold:
        return threshold_for_gallery(
            table, fpir=fpir, people_by_photos=people_by_photos, calibration=site
        )

    return [_rule(fpir, rule) for fpir in _FPIRS]


def _rule(asked: float, find: Any) -> RuleTold:
    try:
        found: Threshold = find(asked)
    except CalibrationError as error:
        return RuleTold(asked=asked, threshold=None, refusal=str(error))
    search = found.search
    return RuleTold(
        asked=asked,
        threshold=found.to_dict(),
        fpir_high=None if search is None else search.fpir_high,
        fnir=None if search is None else search.fnir,
        fnir_high=None if search is None else search.fnir_high,
        refusal=None,
    )


def _scaled(people_by_photos: Mapping[int, int], size: int) -> dict[int, int]:
    """So many people, with photos in the same shares; one photo each where nobody is enrolled."""
    shares = people_by_photos or _ONE_PHOTO
    total = sum(shares.values())
    scaled = {photos: people * size // total for photos, people in shares.items()}
    most = max(shares, key=lambda photos: shares[photos])
    scaled[most] += size - sum(scaled.values())
    return {photos: people for photos, people in scaled.items() if people}


def _calibration(recognizer: Recognizer) -> SiteCalibration | None:
    site = recognizer.calibration
    if site is None:
        return None
    data = site.data
    return SiteCalibration(
        created_at=site.created,
        people=data.n_people + data.n_people_held_out,
        photos=data.n_photos + data.n_photos_held_out,
        searches=site.fpir_curves is not None,
    )
