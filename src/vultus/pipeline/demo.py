"""The main job on real photos: each step gives a section for a page and the terminal."""

import itertools
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vultus.core.choices import DEFAULT_FMR, DEFAULT_FPIR
from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, ModelError
from vultus.core.faces import Image
from vultus.core.progress import Progress, tracked
from vultus.core.results import Verification
from vultus.image.draw import draw_faces
from vultus.image.io import list_images
from vultus.matching.clustering import cluster
from vultus.matching.verify import verify
from vultus.pages.blocks import Picture, Section
from vultus.pipeline.photos import AnalysedPhoto, DetectedPhoto, ErrorHandler
from vultus.pipeline.recognizer import Recognizer

MOST_PICTURES = 48
MOST_PAIRS = 6
_PAIR_HEIGHT_PX = 88  # six pairs side by side


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """One face that can be judged: its photo's name, aligned crop and embedding (one row)."""

    photo: str
    crop: Image
    embedding: Embeddings

    @property
    def label(self) -> str:
        """The photo's folder and name."""
        path = Path(self.photo)
        return f"{path.parent.name}/{path.stem}"


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    a: Portrait
    b: Portrait
    answer: Verification

    @property
    def row(self) -> list[str]:
        return [f"{self.a.label} | {self.b.label}", f"{self.answer.similarity:.4f}", self._decision]

    @property
    def picture(self) -> Picture:
        crops = np.concatenate([self.a.crop, self.b.crop], axis=1)
        return Picture(crops, f"{self.answer.similarity:.4f}: {self._decision}", _PAIR_HEIGHT_PX)

    @property
    def _decision(self) -> str:
        return "same" if self.answer.same_person else "different"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What the steps gave.

    Attributes:
        sections: One a step.
        space: The embedding space, or that there is none.
        missing: Why nothing but detection was shown; "" where all was.
    """

    sections: tuple[Section, ...]
    space: str
    missing: str = ""


def demonstrate(
    recognizer: Recognizer,
    folder: Path,
    *,
    on_error: ErrorHandler,
    progress: Progress | None = None,
) -> Demonstration:
    """Detect, verify, identify, refuse and cluster; only detect where there is no embedder.

    Args:
        recognizer: What to show.
        folder: Photos: a folder per person, or just photos.
        on_error: Told which photos cannot be read.
        progress: Told how many photos are done.
    """
    paths = list_images([folder])
    try:
        space = str(recognizer.embedder.space)
    except ModelError as error:
        step = detect_step(recognizer.detect_many(paths, on_error=on_error))
        return Demonstration((step,), "no embedder", str(error))
    told = tracked(paths, "analysing", total=len(paths), progress=progress)
    analysed = list(recognizer.analyse(told, on_error=on_error))
    clusters, named = cluster_step(recognizer, analysed)
    people = _people(analysed, folder) or named
    steps = (
        detect_step(analysed),
        verify_step(recognizer, people),
        identify_step(recognizer, people, analysed),
        refuse_step(analysed),
        clusters,
    )
    return Demonstration(steps, space)


def portraits_of(photo: AnalysedPhoto) -> list[Portrait]:
    """The faces of a photo that the quality gate does not refuse."""
    return [
        Portrait(photo.name, photo.crops.pixels[i], photo.embeddings[i])
        for i, reasons in enumerate(photo.refusals)
        if not reasons
    ]


def detect_step(photos: Iterable[AnalysedPhoto | DetectedPhoto]) -> Section:
    """Every photo with its faces marked."""
    rows = [["photo", "size", "faces", "scores"]]
    pictures: list[Picture] = []
    for photo in photos:
        height, width = photo.image.shape[:2]
        scores = " ".join(f"{score:.3f}" for score in photo.faces.scores)
        name = f"{Path(photo.name).parent.name}/{Path(photo.name).name}"
        rows.append([name, f"{width}x{height}", str(len(photo.faces)), scores or "-"])
        if len(pictures) < MOST_PICTURES:
            captions = [f"{score:.2f}" for score in photo.faces.scores]
            pictures.append(Picture(draw_faces(photo.image, photo.faces, captions=captions), name))
    return Section("Detection", "Faces with five landmarks.", pictures, rows)


def verify_step(recognizer: Recognizer, people: Mapping[str, Sequence[Portrait]]) -> Section:
    """Genuine and impostor pairs, the hardest first."""
    threshold = recognizer.threshold(DEFAULT_FMR)

    def compare(pairs: Iterable[tuple[Portrait, Portrait]]) -> list[_Compared]:
        return [
            _Compared(a, b, verify(a.embedding, b.embedding, threshold=threshold)) for a, b in pairs
        ]

    genuine = compare(
        pair for faces in people.values() for pair in itertools.combinations(faces, 2)
    )
    impostor = compare(
        pair
        for one, other in itertools.combinations(people.values(), 2)
        for pair in itertools.product(one, other)
    )
    accepted = sum(pair.answer.same_person for pair in genuine)
    rejected = sum(not pair.answer.same_person for pair in impostor)
    genuine.sort(key=lambda pair: pair.answer.similarity)
    impostor.sort(key=lambda pair: -pair.answer.similarity)
    shown = {"same": genuine[:MOST_PAIRS], "other": impostor[:MOST_PAIRS]}
    rows = [["pair", "person", "similarity", "decision"]]
    for truth, pairs in shown.items():
        rows += [[name, truth, *rest] for name, *rest in (pair.row for pair in pairs)]
    return Section(
        "Verification (1:1)",
        f"Of {len(genuine)} pairs of one person {accepted} are accepted, of {len(impostor)} pairs "
        f"of two people {rejected} are rejected, at the threshold {threshold}. "
        "The hardest pairs of each kind:",
        [pair.picture for pairs in shown.values() for pair in pairs],
        rows,
    )


def identify_step(
    recognizer: Recognizer,
    people: Mapping[str, Sequence[Portrait]],
    photos: Sequence[AnalysedPhoto],
) -> Section:
    """Enrol one photo of each person and name everybody else; then leave the last person out."""
    title = "Identification (1:N, open set)"
    names = list(people)
    if not names:
        return Section(title, "Nobody to enrol: no photo with exactly one face that can be judged.")
    rows = [["photo", "face", "enrolled", "answer", "best similarity"]]
    enrolled_photos = {people[name][0].photo for name in names}
    probes = [photo for photo in photos if photo.name not in enrolled_photos]
    try:
        rows += _identified(recognizer, people, names, probes)
        if len(names) > 1:
            left_out = {portrait.photo for portrait in people[names[-1]]}
            strangers = [photo for photo in photos if photo.name in left_out]
            rows += _identified(recognizer, people, names[:-1], strangers)
    except CalibrationError as error:
        return Section(title, f"Not decided: {error}")
    return Section(
        title,
        f"One photo of each person is enrolled; every other face is named or called unknown, at "
        f"a false positive identification rate of {DEFAULT_FPIR:g}. In the last rows "
        f"{names[-1]} is not enrolled and must be unknown."
        if len(names) > 1
        else "One photo is enrolled.",
        rows=rows,
    )


def refuse_step(photos: Sequence[AnalysedPhoto]) -> Section:
    """Photos without a face, and faces that cannot be judged, with the reason."""
    rows = [["photo", "why nothing is decided"]]
    pictures = []
    for photo in photos:
        name = Path(photo.name).name
        reasons = [f"face {i}: {'; '.join(why)}" for i, why in enumerate(photo.refusals) if why]
        if not len(photo.faces):
            reasons = ["no face found"]
        if reasons:
            rows.append([name, "; ".join(reasons)])
            pictures.append(Picture(photo.image, f"{name}: {'; '.join(reasons)}", 160))
    if len(rows) == 1:
        return Section("Refused", "Every photo shows a face that can be judged.")
    text = "What cannot be judged is refused, not guessed."
    return Section("Refused", text, pictures[:MOST_PICTURES], rows)


def cluster_step(
    recognizer: Recognizer, photos: Sequence[AnalysedPhoto]
) -> tuple[Section, dict[str, list[Portrait]]]:
    """Group all faces by person, without their names; also gives the groups."""
    portraits = [portrait for photo in photos for portrait in portraits_of(photo)]
    if not portraits:
        return Section("Clustering", "No face that can be judged."), {}
    grouping = cluster(
        Embeddings.concatenate([portrait.embedding for portrait in portraits]),
        threshold=recognizer.threshold(DEFAULT_FMR),
        photo_ids=[portrait.photo for portrait in portraits],
    )
    groups = {
        f"person {k + 1}": [portraits[i] for i in grouping.members(k)]
        for k in range(grouping.n_clusters)
    }
    rows = [["group", "faces", "photos"]] + [
        [name, str(len(faces)), ", ".join(sorted({face.label for face in faces}))]
        for name, faces in groups.items()
    ]
    pictures = [
        Picture(face.crop, f"{name}: {face.label}", 112)
        for name, faces in groups.items()
        for face in faces
    ]
    text = f"{len(portraits)} faces fall into {grouping.n_clusters} groups."
    return Section("Clustering", text, pictures[:MOST_PICTURES], rows), groups


def _identified(
    recognizer: Recognizer,
    people: Mapping[str, Sequence[Portrait]],
    names: Sequence[str],
    probes: Sequence[AnalysedPhoto],
) -> list[list[str]]:
    enrolled = ", ".join(names) if len(names) < 3 else f"{len(names)} people"
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        recognizer.open_gallery(Path(folder) / "gallery.db") as gallery,
    ):
        for name in names:
            first = people[name][0]
            gallery.enroll(name, first.embedding, sources=[first.photo])
        for photo in probes:
            for i, answer in enumerate(recognizer.identify_faces(photo, gallery)):
                best = answer.candidates[0].similarity
                who = "refused" if answer.refusal else answer.identity or "unknown"
                label = f"{Path(photo.name).parent.name}/{Path(photo.name).stem}"
                rows.append([label, str(i), enrolled, who, f"{best:.4f}"])
    return rows


def _people(analysed: Sequence[AnalysedPhoto], folder: Path) -> dict[str, list[Portrait]]:
    """The people whose photos lie in a folder of their own, with the faces that can be judged."""
    people: dict[str, list[Portrait]] = {}
    for photo in analysed:
        parts = Path(photo.name).relative_to(folder).parts
        portraits = portraits_of(photo)
        if len(parts) > 1 and len(portraits) == 1:
            people.setdefault(parts[0], []).extend(portraits)
    return people
