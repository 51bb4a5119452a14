"""How often attacks pass and living faces are suspected, on photos of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vultus.core.choices import DEFAULT_FMR, DEFAULT_LIVENESS
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError, VultusError
from vultus.core.liveness_threshold import LivenessThreshold, SpeciesRate
from vultus.core.progress import Progress, tracked
from vultus.core.thresholds import Threshold
from vultus.evaluation.measures.presentation_attacks import (
    AttackRates,
    CountedRate,
    attack_rates,
    riapar,
)
from vultus.image.io import list_images, read_image
from vultus.liveness.passive import PassiveLiveness, network_digests, site_threshold_path
from vultus.liveness.signal import LivenessFile
from vultus.models.store import ModelStore
from vultus.pipeline.measuring.attack_threshold import (
    LivenessSettings,
    Seen,
    choose_threshold,
    scores_of,
)
from vultus.pipeline.photos import ErrorHandler
from vultus.pipeline.recognizer import Recognizer

LIVE_FOLDER, ATTACK_FOLDER = "live", "attack"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRates:
    """What detector of attacks and matcher do together, where folders of people say who is whom.

    Attributes:
        iapar: The share of attacks that are not suspected and match the person they imitate, of
            the species for which it is highest.
        species: That species.
        fnmr: The share of genuine comparisons that fail by either.
        threshold: Of the matcher.
    """

    iapar: CountedRate
    species: str
    fnmr: CountedRate
    threshold: Threshold

    @property
    def riapar(self) -> float:
        """IAPAR + FNMR of the whole system (ISO/IEC 30107-3), in [0, 2]; lower is better."""
        return riapar(self.iapar.rate, self.fnmr.rate)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "iapar": self.iapar.to_dict(),
            "species": self.species,
            "fnmr": self.fnmr.to_dict(),
            "riapar": self.riapar,
            "threshold": self.threshold.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessEvaluation:
    """What was measured.

    Attributes:
        rates: At the threshold.
        threshold: The same as a threshold that can be used and kept.
        system: With the matcher; None without folders of people.
        n_set_on: Living faces, or attacks, that the threshold was set on; 0 where it was given.
    """

    rates: AttackRates
    threshold: LivenessThreshold
    system: SystemRates | None
    n_set_on: int

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "rates": self.rates.to_dict(),
            "threshold": self.threshold.to_dict(),
            "system": None if self.system is None else self.system.to_dict(),
            "n_set_on": self.n_set_on,
        }


def evaluate_liveness(
    root: str | Path,
    *,
    liveness: PassiveLiveness,
    recognizer: Recognizer,
    settings: LivenessSettings = LivenessSettings(),  # noqa: B008 - immutable
    progress: Progress | None = None,
    on_error: ErrorHandler | None = None,
) -> LivenessEvaluation:
    """Measure a passive look on photos of living faces and of attacks.

    Args:
        root: A folder with ``live/`` and ``attack/SPECIES/``; each may hold photos, or folders of
            people with photos. The largest face of each photo counts; a photo that cannot be read,
            shows no face, or one that cannot be judged, counts as one without response.
        liveness: What is measured.
        recognizer: Finds faces; with folders of people it also compares them, at FMR 1e-3.
        settings: How the threshold comes about.
        progress: Told how many photos are done.
        on_error: Told of photos that cannot be used.

    Raises:
        InputError: If a folder is missing, or there are too few photos.
        ImageError: If a folder holds no photo.
        CalibrationError: With folders of people, if the embedder has no threshold.
    """
    folder = Path(root)
    species = attack_species(folder)
    places = {LIVE_FOLDER: folder / LIVE_FOLDER} | {
        f"{ATTACK_FOLDER}/{name}": folder / ATTACK_FOLDER / name for name in species
    }
    photos = {name: list_images([place]) for name, place in places.items()}
    by_people = all(path.parent != place for name, place in places.items() for path in photos[name])
    listed = [(name, path) for name, found in photos.items() for path in found]
    seen: dict[str, list[Seen]] = {name: [] for name in photos}
    told = tracked(listed, "looking at photos", total=len(listed), progress=progress)
    for name, path in told:
        person = path.relative_to(places[name]).parts[0] if by_people else None
        seen[name].append(_look(path, person, liveness, recognizer, on_error))
    live, attacks = seen[LIVE_FOLDER], {name: seen[f"{ATTACK_FOLDER}/{name}"] for name in species}
    chosen = choose_threshold(live, attacks, settings, in_use=liveness.threshold.score)
    scores = {name: scores_of(found) for name, found in chosen.attacks.items()}
    rates = attack_rates(scores_of(chosen.live), scores, threshold=chosen.score)
    system = None
    if by_people:
        known = recognizer.threshold(DEFAULT_FMR)
        system = _system(chosen.live, chosen.attacks, chosen.score, known)
    origin = f"measured {datetime.now(UTC):%Y-%m-%d} on {folder.name}{chosen.words}"
    return LivenessEvaluation(
        rates=rates,
        threshold=stated_threshold(rates, origin=origin),
        system=system,
        n_set_on=chosen.n_set_on,
    )


def save_threshold(
    threshold: LivenessThreshold,
    *,
    models: Sequence[str | Path] = DEFAULT_LIVENESS,
    store: ModelStore | None = None,
) -> Path:
    """Keep a threshold as the site's own: whatever opens these networks judges by it.

    Args:
        threshold: As `evaluate_liveness` gave it.
        models: The networks.
        store: Where models are; None takes the usual one.

    Returns:
        The file.
    """
    store = ModelStore() if store is None else store
    path = site_threshold_path(store, models)
    path.parent.mkdir(parents=True, exist_ok=True)
    LivenessFile(
        networks=network_digests(store, models),
        threshold=threshold,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    ).save(path)
    return path


def attack_species(folder: Path) -> list[str]:
    """The kinds of attacks in a folder with ``live/`` and ``attack/SPECIES/``, by name.

    Args:
        folder: That folder.

    Raises:
        InputError: If one of both is missing, or there is no species.
    """
    for part in (LIVE_FOLDER, ATTACK_FOLDER):
        if not (folder / part).is_dir():
            raise InputError(
                f"{folder} must have folders {LIVE_FOLDER}/ and {ATTACK_FOLDER}/SPECIES/, has no "
                f"{part}/"
            )
    found = sorted(place.name for place in (folder / ATTACK_FOLDER).iterdir() if place.is_dir())
    if not found:
        raise InputError(
            f"{folder / ATTACK_FOLDER} must have a folder for each kind of attack (print, screen, "
            "mask ...), has none"
        )
    return found


def _look(
    path: Path,
    person: str | None,
    liveness: PassiveLiveness,
    recognizer: Recognizer,
    on_error: ErrorHandler | None,
) -> Seen:
    try:
        image = read_image(path)
        photo = next(iter(recognizer.analyse([image]))) if person is not None else None
        faces = recognizer.detector.detect(image) if photo is None else photo.faces
        if not len(faces):
            raise InputError("no face found")
    except VultusError as error:
        if on_error is not None:
            on_error(str(path), error)
        return Seen(person, float("nan"), None)
    row = faces.cut_to(image.shape[:2]).largest()
    signal = liveness.judge(image, faces[[row]])[0]
    if signal.reasons and on_error is not None:
        on_error(str(path), InputError("; ".join(signal.reasons)))
    score = float("nan") if signal.reasons else signal.score
    return Seen(person, score, None if photo is None else photo.embeddings[row])


def _system(
    live: Sequence[Seen],
    attacks: Mapping[str, Sequence[Seen]],
    score: float,
    threshold: Threshold,
) -> SystemRates | None:
    """The first usable photo of each person is who is enrolled; all others are compared with it."""
    enrolled: dict[str, Embeddings] = {}
    genuine = []
    for seen in live:
        if seen.person is None or seen.embedding is None:
            continue
        if seen.person in enrolled:
            genuine.append(not _accepted(seen, enrolled[seen.person], score, threshold))
        else:
            enrolled[seen.person] = seen.embedding
    found = []
    for name, presented in attacks.items():
        aimed = [seen for seen in presented if seen.person in enrolled]
        if aimed:
            passed = [
                _accepted(seen, enrolled[str(seen.person)], score, threshold) for seen in aimed
            ]
            found.append((name, CountedRate(sum(passed), len(passed))))
    if not genuine or not found:
        return None
    worst, rate = max(found, key=lambda pair: pair[1].rate)
    return SystemRates(
        iapar=rate,
        species=worst,
        fnmr=CountedRate(sum(genuine), len(genuine)),
        threshold=threshold,
    )


def _accepted(seen: Seen, enrolled: Embeddings, score: float, threshold: Threshold) -> bool:
    if seen.embedding is None or not seen.score >= score:  # NaN is not accepted
        return False
    similarity = float(seen.embedding.vectors[0] @ enrolled.vectors[0])
    return similarity >= threshold.similarity


def stated_threshold(rates: AttackRates, *, origin: str) -> LivenessThreshold:
    """A threshold that says what was measured at it.

    Args:
        rates: At the threshold.
        origin: Where they come from, in words.
    """
    rule = LivenessThreshold(
        score=min(max(rates.threshold, 0.0), 1.0),
        origin=origin,
        by_species=tuple(
            SpeciesRate(
                name=one.name,
                n_passed=one.apcer.n_errors,
                n=one.apcer.n,
                low=one.apcer.interval.low,
                high=one.apcer.interval.high,
            )
            for one in rates.species
            if one.apcer is not None
        ),
    )
    if rates.bpcer is not None:
        rule = replace(
            rule,
            bpcer=rates.bpcer.rate,
            bpcer_high=rates.bpcer.interval.high,
            n_bona_fide=rates.bpcer.n,
        )
    worst = rates.worst
    if worst is not None and worst.apcer is not None:
        rule = replace(
            rule,
            apcer=worst.apcer.rate,
            apcer_high=worst.apcer.interval.high,
            species=worst.name,
            n_attacks=worst.apcer.n,
        )
    return rule
