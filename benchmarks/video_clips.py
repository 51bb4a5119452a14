"""Who is found in clips of a few people, each enrolled from one clip, and who is not.

    python -m benchmarks.video_clips --clips DIR --person A=one,two,three --person B=four,five \
        --others room.gif

Each person is enrolled from the shots of the first clip. Then every clip is decided among all who
are enrolled, and again without its person (a stranger of the same camera and light), by the
model's thresholds and by those that reckon with one camera.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.video_passages import Recorder, passage_names

from vultus.core.embeddings import Embeddings
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.video.passages.judge import JudgeSettings, PassageJudge
from vultus.video.sources.opening import open_source
from vultus.video.watcher import Watcher

Looks = list[tuple[int, Embeddings]]
RULES = {"the model's": False, "one camera's": None}


def recorded(recognizer: Recognizer, path: Path, folder: Path) -> tuple[Looks, int, int]:
    """The looks at all passages of a clip; how many passages there were, and too poor ones."""
    with recognizer.open_gallery(folder / "nobody.db") as gallery:
        start = EventLog(gallery).position()
        recorder = Recorder(recognizer)
        watcher = Watcher(recognizer, gallery, open_source(path))
        watcher._judge = recorder  # type: ignore[assignment]
        watcher.run()
        kinds = [event.type for event in EventLog(gallery).read(after=start, limit=1000)]
    return recorder.looks, kinds.count("appeared"), kinds.count("refused")


def nearest(gallery: Gallery, looks: Looks) -> str:
    """Whom the best shots are like, and how much."""
    final = [shots for look, shots in looks if look == 0]
    if not final:
        return "-"
    mean = Embeddings.from_raw(final[0].vectors.mean(axis=0)[None], gallery.space)
    (found,) = gallery.search(mean, rank=1)
    return f"{found[0].identity} {found[0].similarity:.2f}" if found else "-"


def decided(judging: dict[str, PassageJudge], looks: Looks) -> list[str]:
    return [", ".join(sorted(passage_names(one, looks))) or "nobody" for one in judging.values()]


def gallery_of(
    recognizer: Recognizer, path: Path, enrolled: dict[str, Looks]
) -> tuple[Gallery, dict[str, PassageJudge]]:
    gallery = recognizer.open_gallery(path)
    for person, looks in enrolled.items():
        gallery.enroll(person, next(shots for look, shots in looks if look == 0))
    return gallery, {
        words: PassageJudge(recognizer, gallery, JudgeSettings(cautious=cautious))
        for words, cautious in RULES.items()
    }


def run(recognizer: Recognizer, people: dict[str, list[Path]], others: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [clip for own in people.values() for clip in own] + list(others)
        seen = {clip: recorded(recognizer, clip, folder) for clip in clips}
        enrolled = {person: seen[own[0]][0] for person, own in people.items()}
        everybody, judging = gallery_of(recognizer, folder / "all.db", enrolled)
        limits = ", ".join(f"{w} {one.rule(5, 0.5).similarity:.3f}" for w, one in judging.items())
        print(f"Threshold of the last look at five shots: {limits}.\n")
        print(
            "| clip | of | passages (too poor) | named by the model's | by one camera's | "
            "left out, nearest | named by the model's | by one camera's |\n"
            "|---|---|---|---|---|---|---|---|"
        )
        for person, own in people.items():
            rest = {who: looks for who, looks in enrolled.items() if who != person}
            without, strict = gallery_of(recognizer, folder / f"{person}.db", rest)
            for clip in own:
                looks, n, poor = seen[clip]
                named = decided(judging, looks) if clip != own[0] else ["(enrolled)"] * 2
                cells = [clip.stem, person, f"{n} ({poor})", *named]
                cells += [nearest(without, looks), *decided(strict, looks)]
                print(f"| {' | '.join(cells)} |", flush=True)
            without.close()
        for clip in others:
            looks, n, poor = seen[clip]
            cells = [clip.stem, "others", f"{n} ({poor})", *decided(judging, looks)]
            print(f"| {' | '.join(cells)} | {nearest(everybody, looks)} | - | - |", flush=True)
        everybody.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--person", action="append", required=True, metavar="NAME=CLIP,CLIP")
    parser.add_argument("--others", nargs="*", default=[], metavar="CLIP")
    options = parser.parse_args()
    recognizer = Recognizer()
    recognizer.use_calibration(None)
    people = {}
    for text in options.person:
        person, _, clips = text.partition("=")
        people[person] = [options.clips / clip for clip in clips.split(",")]
    run(recognizer, people, [options.clips / clip for clip in options.others])


if __name__ == "__main__":
    main()
