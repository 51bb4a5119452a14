"""A calibration from labelled faces: some people set the thresholds, the others check them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, check_same_space
from vultus.core.errors import CalibrationError, InputError
from vultus.core.thresholds import ThresholdTable, stated_rate
from vultus.evaluation.calibration.fmr import FmrCheck, check_fmr
from vultus.evaluation.calibration.fnir import fit_fnir_curves
from vultus.evaluation.calibration.fpir import (
    MIN_PEOPLE,
    PHOTO_LEVELS,
    Beyond,
    FpirCheck,
    GalleryPlan,
    check_fpir,
    fit_fpir_curves,
    template_stretch,
)
from vultus.evaluation.calibration.probability import (
    ProbabilityCheck,
    ScoreCounts,
    fit_isotonic,
    fit_logistic,
    llr_bounds,
    probability_check,
)
from vultus.evaluation.calibration.searches import StrangerSearches, stranger_searches
from vultus.evaluation.calibration.split import (
    SHARE_HELD_OUT,
    check_people_for_fmr,
    held_out,
    people_in_all,
    smallest_fmr,
    split_sizes,
)
from vultus.evaluation.calibration.stretch import FUSED_PHOTOS, fit_stretches
from vultus.evaluation.calibration.tail import FmrTail, fit_fmr_tail
from vultus.evaluation.measures.allpairs import AllPairs, all_pairs
from vultus.evaluation.measures.score_stream import TAIL
from vultus.evaluation.measures.summary import DECADES
from vultus.matching.calibration import Calibration, CalibrationData
from vultus.matching.fnir_curves import FnirCurves
from vultus.matching.fpir_curves import FpirCurves, people_for_fpir
from vultus.matching.match_probability import MatchProbability

_USUAL_FPIRS = (0.01, 0.1)
_USUAL_SIZES = (10, 100, 1000, 10_000)
_MAX_TAIL = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """Faces of known people, and where they come from.

    Attributes:
        embeddings: One row a photo with a face.
        identities: (n,) of any dtype that sorts: who is on each.
        name: What the user calls them.
        sha256: Digest of what they were made from, 64 hex digits.
        detector: What found and aligned them; None for crops or embeddings.
        failures: Photos without a face, or not readable; they are no rows.

    Raises:
        InputError: If lengths do not match.
    """

    embeddings: Embeddings
    identities: npt.NDArray[Any]
    name: str
    sha256: str
    detector: str | None = None
    failures: int = 0

    def __post_init__(self) -> None:
        if len(self.identities) != len(self.embeddings):
            raise InputError(
                f"identities must be one per face, got {len(self.identities)} for "
                f"{len(self.embeddings)}"
            )


@dataclass(frozen=True, slots=True)
class CalibrationPlan:
    """What is to be measured.

    Attributes:
        fmrs: False match rates that must be carried; empty takes 1e-2, 1e-3 ... as far as the
            people carry them.
        galleries: Galleries that must be carried; empty takes FPIR 0.01 (else 0.1) for 10, 100,
            1,000 ... people, as far as the people carry them.
        share_held_out: Of the people, in (0, 1), who check what the others set.
        seed: Of the split, of the photos that are fused, and of the bootstrap.
        extrapolate: Go on below the rates that are counted, by a tail fitted to the highest scores,
            as far as a tenth of a pair of people; what is promised there is the upper end of the
            95 % interval. Thresholds at 1e-5 and 1e-6 that are not counted, and searches among
            more people, say so.
    """

    fmrs: tuple[float, ...] = ()
    galleries: tuple[GalleryPlan, ...] = ()
    share_held_out: float = SHARE_HELD_OUT
    seed: int = 0
    extrapolate: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationResult:
    """A calibration, and what the people held out say to it.

    Attributes:
        calibration: What is kept.
        fmr: One check per threshold, strictest last.
        fpir: One check per gallery.
        probability: How good the probabilities are on people held out, of each method; empty
            where nobody has two photos.
    """

    calibration: Calibration
    fmr: tuple[FmrCheck, ...]
    fpir: tuple[FpirCheck, ...]
    probability: dict[str, ProbabilityCheck] = field(default_factory=dict)


def calibrate(
    faces: LabelledFaces, plan: CalibrationPlan, *, check: LabelledFaces | None = None
) -> CalibrationResult:
    """Set thresholds, FPIR and match probability on some people, and check them on the others.

    The people must not have been used to train the model, and should be like those that it will
    meet.

    Args:
        faces: Of the people who set them, and, half of these, check them.
        plan: What is to be measured.
        check: Faces of other people, who check them; all of ``faces`` then set them.

    Raises:
        CalibrationError: If the people cannot carry what the plan asks for; the message says how
            many more it takes.
        InputError: If nobody has two photos, or an argument is out of range.
        SpaceMismatchError: If ``check`` is of another embedding space.
    """
    generator = np.random.default_rng(plan.seed)
    fit, other = _parts(faces, check, plan, generator)
    rates_asked = _fmrs(plan, fit, other)
    for part in (fit, other):
        part.compare(max(rates_asked))
    created = datetime.now(UTC)
    fmr_checks = [
        check_fmr(fmr, fit=fit.pairs, held_out=other.pairs, generator=generator)
        for fmr in rates_asked
    ]
    found_by = "" if faces.detector is None else f" found by {faces.detector}"
    day = f"calibrated {created:%Y-%m-%d} on {fit.n_people:,} people of {faces.name}{found_by}"
    tail = fit_fmr_tail(fit.pairs, generator=generator) if plan.extrapolate else None
    curves, fpir_checks = _galleries(plan, fit, other, tail=tail, generator=generator, origin=day)
    match_probability, probability = _probabilities(fit, other)
    data = CalibrationData(
        faces.name, faces.sha256, fit.n_people, len(fit.people), other.n_people,
        len(other.people), faces.failures, faces.detector, plan.seed,
    )  # fmt: skip
    calibration = Calibration(
        faces.embeddings.space,
        created.isoformat(timespec="seconds"),
        data,
        _table(fmr_checks, day, tail),
        curves,
        match_probability,
        {
            "fmr": [check.to_dict() for check in fmr_checks],
            "fpir": [check.to_dict() for check in fpir_checks],
            "probability": {name: check.to_dict() for name, check in probability.items()},
        },
        _misses(other, faces if check is None else check, generator),
    )
    return CalibrationResult(calibration, tuple(fmr_checks), tuple(fpir_checks), probability)


def _parts(
    faces: LabelledFaces,
    check: LabelledFaces | None,
    plan: CalibrationPlan,
    generator: np.random.Generator,
) -> tuple["_Part", "_Part"]:
    """Who sets and who checks."""
    people = np.unique(faces.identities, return_inverse=True)[1].astype(np.int64)
    if check is not None:
        others = np.unique(check.identities, return_inverse=True)[1].astype(np.int64)
        check_same_space(faces.embeddings.space, check.embeddings.space)
        fit, other = _Part(faces.embeddings, people), _Part(check.embeddings, others)
        fewest = min(fit.photo_counts, other.photo_counts, key=len)
        # As if these were one half of twice as many.
        check_people(plan, [*fewest, *fewest])
        return fit, other
    kept = held_out(
        faces.identities,
        generator=generator,
        share=plan.share_held_out,
        photo_counts=[max(x.photos_per_person, x.photos_per_probe) for x in plan.galleries],
    )
    fit, other = (_Part(faces.embeddings[mask], people[mask]) for mask in (~kept, kept))
    check_people(plan, [*fit.photo_counts, *other.photo_counts])
    return fit, other


def _misses(
    other: "_Part", faces: LabelledFaces, generator: np.random.Generator
) -> FnirCurves | None:
    """How often people held out are missed; None where too few have two photos."""
    if other.n_pairable < MIN_PEOPLE:
        return None
    origin = f"{other.n_pairable:,} people of {faces.name} who set no threshold"
    return fit_fnir_curves(
        other.embeddings, other.people, generator=generator, origin=origin, probes=FUSED_PHOTOS
    )


def check_people(plan: CalibrationPlan, photo_counts: Sequence[int]) -> None:
    """Refuse a plan that people cannot carry; before their photos are looked at, too.

    Args:
        plan: What is to be measured.
        photo_counts: How many photos each person has; with a face, where that is known.

    Raises:
        CalibrationError: If they cannot; the message says how many people it takes.
    """
    for fmr in plan.fmrs or DECADES[:1]:
        check_people_for_fmr(fmr, n_people=len(photo_counts), share=plan.share_held_out)
    for gallery in plan.galleries:
        most = max(gallery.photos_per_person, gallery.photos_per_probe)
        enough = sum(count >= most for count in photo_counts)
        _check_gallery(gallery, enough, share=plan.share_held_out)


class _Part:
    """The faces of one side of the split."""

    def __init__(self, embeddings: Embeddings, people: npt.NDArray[np.int64]) -> None:
        self.embeddings = embeddings
        self.people = people
        counts = np.unique(people, return_counts=True)[1]
        self.n_people = len(counts)
        self.n_pairable = int((counts >= 2).sum())
        self.photo_counts = counts
        self.pairs: AllPairs

    def compare(self, largest_fmr: float) -> None:
        """Every face against every other; the pairs behind each rate asked for are kept."""
        n = len(self.people) * (len(self.people) - 1) // 2
        tail = min(_MAX_TAIL, max(TAIL, round(1.5 * largest_fmr * n)))
        self.pairs = all_pairs(self.embeddings, identities=self.people, tail=tail)

    def searches(
        self, photos_per_person: int, photos_per_probe: int, *, seed: int
    ) -> StrangerSearches | None:
        """Everybody as a stranger to everybody else; None where too few have so many photos."""
        if (self.photo_counts >= max(photos_per_person, photos_per_probe)).sum() < MIN_PEOPLE:
            return None
        return stranger_searches(
            self.embeddings,
            self.people,
            photos_per_person=photos_per_person,
            generator=np.random.default_rng(seed),
            photos_per_probe=photos_per_probe,
        )


def _fmrs(plan: CalibrationPlan, fit: _Part, other: _Part) -> list[float]:
    fewest = min(fit.n_people, other.n_people)
    wanted = (
        plan.fmrs or [fmr for fmr in DECADES if smallest_fmr(fewest) <= fmr <= 1e-2] or DECADES[:1]
    )
    if not (fit.n_pairable and other.n_pairable):
        raise InputError(
            "calibration needs people with two photos or more on both sides of the split, got "
            f"{fit.n_pairable} and {other.n_pairable}"
        )
    return sorted(set(wanted), reverse=True)


def _table(checks: Sequence[FmrCheck], origin: str, tail: FmrTail | None) -> ThresholdTable:
    # Two targets may meet at one threshold; it is told once.
    distinct = {check.stated.threshold: check for check in checks}
    points = []
    for check in distinct.values():
        seen = f"FMR {check.held_out.fmr:.1e} {check.held_out_interval} on people held out"
        points.append(check.stated.to_threshold(f"{origin}; {seen}"))
    if tail is not None:
        strictest = points[-1]
        rates = [rate for rate in DECADES if rate < stated_rate(strictest) / 2]
        # A threshold of the tail that is no higher than one that was counted adds nothing.
        added = tail.thresholds(rates, origin=f"{origin}; beyond what is counted")
        points += [point for point in added if point.similarity > strictest.similarity]
    return ThresholdTable(tuple(points))


def _galleries(
    plan: CalibrationPlan,
    fit: _Part,
    other: _Part,
    *,
    tail: FmrTail | None,
    generator: np.random.Generator,
    origin: str,
) -> tuple[FpirCurves | None, list[FpirCheck]]:
    if fit.n_people < MIN_PEOPLE:
        return None, []
    beyond = None if tail is None else Beyond(tail, _stretches(fit, other, generator))
    curves = fit_fpir_curves(
        fit.embeddings, fit.people, generator=generator, origin=origin, beyond=beyond
    )
    side = fit if tail is None else max(fit, other, key=lambda part: part.n_pairable)
    measured = fit_stretches(
        side.embeddings, side.people, generator=np.random.default_rng(plan.seed + 2)
    )
    curves = replace(curves, stretches=measured)
    own, others = (
        cache(lambda m, k, part=part: part.searches(m, k, seed=plan.seed + 1))
        for part in (fit, other)
    )
    return curves, [
        check_fpir(gallery, curves, fit=own, held_out=others)
        for gallery in plan.galleries or _usual_galleries(curves)
    ]


def _stretches(fit: "_Part", other: "_Part", generator: np.random.Generator) -> dict[int, float]:
    """Of each number of photos, on the side where more people have so many."""
    found = {}
    for k in PHOTO_LEVELS[1:]:
        side = max(fit, other, key=lambda part: int((part.photo_counts >= k).sum()))
        if (side.photo_counts >= k).sum() >= MIN_PEOPLE:
            found[k] = template_stretch(
                side.embeddings, side.people, photos_per_person=k, generator=generator
            )
    return dict(zip(found, np.maximum.accumulate(list(found.values())).tolist(), strict=True))


def _check_gallery(gallery: GalleryPlan, n_people: int, *, share: float) -> None:
    """Refuse a gallery that so many people with photos enough cannot carry."""
    least = max(people_for_fpir(gallery.fpir, gallery_size=gallery.gallery_size), MIN_PEOPLE)
    if split_sizes(n_people, share=share)[0] >= least:
        return
    needed = people_in_all(least, 0, share=share)
    fused = gallery.photos_per_probe
    probe = f" and {fused} photos of a probe" if fused > 1 else ""
    raise CalibrationError(
        f"FPIR {gallery.fpir:.3g} among {gallery.gallery_size:,} people with "
        f"{gallery.photos_per_person} photo(s) each{probe} takes {needed:,} people with as many "
        f"photos ({1 - share:.0%} of them set the threshold), there are {n_people:,}: "
        f"{needed - n_people:,} more. Ask for a higher FPIR or a smaller gallery"
    )


def _usual_galleries(curves: FpirCurves) -> list[GalleryPlan]:
    plans: list[GalleryPlan] = []
    for level, size in product(curves.levels, _USUAL_SIZES):
        carried = [
            fpir
            for fpir in _USUAL_FPIRS
            if level.n_people
            >= people_for_fpir(fpir, gallery_size=size, least_pairs=curves.least_pairs)
        ]
        plans += [GalleryPlan(fpir, size, level.photos_per_person) for fpir in carried[:1]]
    probes = sorted({x.photos_per_probe for x in curves.stretches} - {1})
    singles = [plan for plan in plans if plan.photos_per_person == 1]
    return plans + [replace(plan, photos_per_probe=k) for k in probes for plan in singles[-1:]]


def _probabilities(
    fit: _Part, other: _Part
) -> tuple[MatchProbability | None, dict[str, ProbabilityCheck]]:
    """The method with the lower log loss on people held out."""
    fitted, checked = ScoreCounts.from_pairs(fit.pairs), ScoreCounts.from_pairs(other.pairs)
    bound = llr_bounds(n_genuine_people=fit.n_pairable, n_people=fit.n_people)
    methods = [fit_isotonic(fitted, bound=bound), fit_logistic(fitted, bound=bound)]
    checks = {str(method.method): probability_check(method, checked) for method in methods}
    return min(methods, key=lambda method: checks[method.method].log_loss), checks
