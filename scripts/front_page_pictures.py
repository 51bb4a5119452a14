"""Draws the pictures of the documentation's front page into a folder.

    python scripts/front_page_pictures.py docs/_static

The people are on two portraits in the public domain, an astronaut's and an admiral's; all else is
drawn. What is written beside a face is what the package said of it.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from vultus import Recognizer
from vultus.core.faces import Image
from vultus.data.contact_sheet import identity_sheet
from vultus.data.synthetic import SyntheticFaces
from vultus.evaluation.plot_style import OKABE_ITO
from vultus.image.demo_photos import COLLINS, HOPPER, TOGETHER, write_demo_photos
from vultus.image.draw import draw_faces
from vultus.image.io import read_image, write_image

_HEIGHT_PX = 220


def main(folder: Path) -> None:
    """Write every picture."""
    recognizer = Recognizer()
    with tempfile.TemporaryDirectory() as made:
        photos = Path(made)
        people = write_demo_photos(photos)
        pictures = {
            "same_person": _same_person(recognizer, people),
            "who_is_it": _who_is_it(recognizer, photos, people[HOPPER]),
            "all_photos": _all_photos(recognizer, people),
            "attendance": _attendance(recognizer, photos, people),
        }
    pictures["own_model"] = identity_sheet(
        SyntheticFaces(identities=2, images=6), identities=2, columns=6
    )
    pictures["how_sure"] = _how_sure(recognizer)
    for name, picture in pictures.items():
        write_image(folder / f"task_{name}.webp", picture)


def _same_person(recognizer: Recognizer, people: dict[str, list[Path]]) -> Image:
    """Two photos of one person and one of another, with what was said of them."""
    first, second = people[HOPPER][0], people[HOPPER][2]
    other = people[COLLINS][0]
    shown = [
        (first, ""),
        (second, _said(recognizer, first, second)),
        (other, _said(recognizer, first, other)),
    ]
    marked = [_marked(recognizer, _head(photo), [said] if said else None) for photo, said in shown]
    return np.concatenate(marked, axis=1)


def _said(recognizer: Recognizer, probe: Path, other: Path) -> str:
    answer = recognizer.verify(probe, other, fmr=1e-3)
    return f"{'same' if answer.same_person else 'another'}: {answer.similarity:.2f}"


def _marked(recognizer: Recognizer, image: Image, captions: list[str] | None) -> Image:
    return draw_faces(image, recognizer.detector.detect(image), captions=captions)


def _head(photo: Path) -> Image:
    """The upper part of a portrait, so small that captions can be read."""
    image = read_image(photo)
    return _scaled(image[: int(0.7 * image.shape[0])])


def _scaled(image: Image) -> Image:
    factor = _HEIGHT_PX / image.shape[0]
    scaled = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)


def _who_is_it(recognizer: Recognizer, photos: Path, known: list[Path]) -> Image:
    """One of two people is enrolled; the other one is unknown."""
    with recognizer.open_gallery(photos / "one.db") as gallery:
        recognizer.enroll(gallery, HOPPER, known[:2])
        image = _scaled(read_image(photos / TOGETHER)[:400])
        analysed = next(recognizer.analyse([image]))
        answers = recognizer.identify_faces(analysed, gallery, fpir=0.01)
    names = [answer.identity or "unknown" for answer in answers]
    return draw_faces(image, analysed.faces, captions=names)


def _all_photos(recognizer: Recognizer, people: dict[str, list[Path]]) -> Image:
    """An album; the photos of one person are marked."""
    hers, others = people[COLLINS], people[HOPPER]
    album = [hers[1], others[0], hers[2], hers[5]]
    answers = [recognizer.verify(hers[0], photo, fmr=1e-3) for photo in album]
    marked = [
        _marked(recognizer, _head(photo), None) if answer.same_person else _head(photo) // 3 + 150
        for photo, answer in zip(album, answers, strict=True)
    ]
    return np.concatenate(marked, axis=1)


def _attendance(recognizer: Recognizer, photos: Path, people: dict[str, list[Path]]) -> Image:
    """Who was seen on which photo."""
    album = {"9:00": people[HOPPER][3], "9:05": photos / TOGETHER, "9:10": people[COLLINS][4]}
    with recognizer.open_gallery(photos / "both.db") as gallery:
        for name in (HOPPER, COLLINS):
            recognizer.enroll(gallery, name, people[name][:2])
        seen = {
            when: {answer.identity for answer in recognizer.identify(photo, gallery, fpir=0.01)}
            for when, photo in album.items()
        }
    names = [COLLINS, HOPPER]
    figure = Figure(figsize=(4.6, 1.7), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for row, name in enumerate(names):
        there = [name in seen[when] for when in album]
        axes.scatter(
            range(len(album)), [row] * len(album), 130, edgecolors=OKABE_ITO[0], facecolors="none"
        )
        axes.scatter(
            [n for n, found in enumerate(there) if found], [row] * sum(there), 130, OKABE_ITO[0]
        )
    axes.set_xticks(range(len(album)), list(album))
    axes.set_yticks(range(2), names)
    axes.set_xlim(-0.5, len(album) - 0.5)
    axes.set_ylim(-0.6, 1.6)
    return _rendered(figure)


def _how_sure(recognizer: Recognizer) -> Image:
    """The built-in model's thresholds, by the false match rate that they were measured at."""
    points = recognizer.thresholds.points
    rates = np.array([p.fmr for p in points], np.float64)
    figure = Figure(figsize=(4.6, 2.4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([p.similarity for p in points], rates, "o-", color=OKABE_ITO[0])
    axes.set_yscale("log")
    axes.set_xticks(np.arange(0.25, 0.5, 0.05))
    axes.set_xlabel("threshold (cosine similarity)")
    axes.set_ylabel("false match rate")
    axes.grid(alpha=0.3)
    return _rendered(figure)


def _rendered(figure: Figure) -> Image:
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "figure.png"
        figure.savefig(path)
        return read_image(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
