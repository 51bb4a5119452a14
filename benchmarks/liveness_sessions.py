"""What an active liveness session accepts: a clip whose movements match, and attacks.

    python -m benchmarks.liveness_sessions --clip turns.gif --region 0,0,240,270 \
        --other-region 240,0,480,270 --movements tilt_right,look_up --photos DIR_OF_CLIPS

Each row is a number of randomised sessions: place, light, noise and compression of the frames
differ. To save hours, what is held up is detected and embedded once without them, and the landmarks
are moved by 0.4 px at random; repeated frames and depth are looked for in the noisy frames
themselves. Attacks with photos answer what is asked: they turn, tilt and come nearer as far as the
thing that they hold can. The photos are the first frames of the clips; the person of a clip is an
attack's victim. All of it is made on this machine, nothing is filmed off a screen or off paper.
"""

import argparse
import time
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.faces import Image
from vultus.liveness.session.challenge import Challenge, draw_challenge, draw_rests
from vultus.liveness.session.movements import Movement
from vultus.liveness.session.session import LivenessSession, Progress, Seen
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.session_look import look
from vultus.video.sources.opening import open_source

Region = tuple[int, int, int, int]
Shown = tuple[float, Hashable, Image]
"""When, what it is (equal things are looked at once), and the picture before the camera's noise."""
Film = Callable[[np.random.Generator, Callable[[], Progress]], Iterator[Shown]]
FPS = 6.0
MOST_FRAMES = 300
MOVEMENT_S = 4.0
REACT_FRAMES = 3
"""Who holds something up does what is asked half a second later, and comes back between."""
GRID = np.array([7.0, 7.0, 6.0, 0.06])
JITTER_PX = 0.4
LOOKS: dict[Hashable, tuple[Image, Seen]] = {}
RENDERED: dict[Hashable, Image] = {}
NONCE = "0" * 32
GUESSED: tuple[Movement, ...] = ("turn_left", "tilt_right", "nod", "turn_right")


@dataclass(frozen=True)
class Clip:
    """Frames, and how fast they come."""

    frames: list[Image]
    fps: float


def read_clip(path: Path, region: Region | None, *, most: int = 1000) -> Clip:
    source = open_source(path)
    x1, y1, x2, y2 = region or (0, 0, 100_000, 100_000)
    frames = []
    for frame in source.frames():
        frames.append(np.ascontiguousarray(frame.image[y1:y2, x1:x2]))
        if len(frames) == most:
            break
    return Clip(frames, 1 / source.frame_s)


def filmed(image: Image, rng: np.random.Generator, setup: dict[str, float]) -> Image:
    """One frame as this session's camera gives it."""
    height, width = image.shape[:2]
    move = np.array([[1, 0, setup["dx"]], [0, 1, setup["dy"]]])
    moved = cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    noisy = moved * setup["gain"] + rng.normal(0, setup["noise"], moved.shape)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(setup["quality"])]
    _, data = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), quality)
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def camera(rng: np.random.Generator) -> dict[str, float]:
    return {
        "dx": rng.uniform(-5, 5), "dy": rng.uniform(-5, 5), "gain": rng.uniform(0.85, 1.15),
        "noise": rng.uniform(0.5, 2.5), "quality": float(rng.integers(75, 96)),
    }  # fmt: skip


def played(clip: Clip, *, speed: float = 1.0, loops: int = 1) -> Film:
    """A film that is played whatever is asked."""

    def film(rng: np.random.Generator, _: Callable[[], Progress]) -> Iterator[Shown]:
        place = 0
        for _loop in range(loops):
            for image in clip.frames:
                yield place / (clip.fps * speed), id(image), image
                place += 1

    return film


def at_any_speed(clip: Clip) -> Film:
    """The clip at a speed of 0.3 to 2, another one in each session."""

    def film(rng: np.random.Generator, asked: Callable[[], Progress]) -> Iterator[Shown]:
        return played(clip, speed=float(rng.uniform(0.3, 2)))(rng, asked)

    return film


def spliced(clip: Clip, other: Clip, recognizer: Recognizer) -> Film:
    """The clip, and from a random frame on somebody else, laid onto the same place."""
    kept: dict[int, Image] = {}
    marks = [[recognizer.detector.detect(one).landmarks for one in c.frames] for c in (clip, other)]

    def film(rng: np.random.Generator, _: Callable[[], Progress]) -> Iterator[Shown]:
        at = int(rng.integers(3, 18))
        for place, image in enumerate(clip.frames):
            mine, theirs = marks[0][place], marks[1][min(place, len(other.frames) - 1)]
            if place >= at and len(mine) and len(theirs):
                onto, _ = cv2.estimateAffinePartial2D(theirs[0], mine[0], method=cv2.LMEDS)
                size = image.shape[1], image.shape[0]
                source = other.frames[min(place, len(other.frames) - 1)]
                laid = cv2.warpAffine(source, onto, size, borderMode=cv2.BORDER_REPLICATE)
                image = np.asarray(laid, np.uint8)
                image = kept.setdefault(place, image)
            yield place / clip.fps, id(image), image

    return film


@dataclass(frozen=True)
class Held:
    """A photo held before the camera, or a head computed from it.

    Attributes:
        photos: One is chosen for each session, with the landmarks of its face.
        shape: ``flat``; ``bent`` around a pole; ``collage``, the nose cut out and held before it;
            ``holes``, eyes and mouth cut out and those of a face behind it seen; ``head``, a head
            with the photo on it.
        in_space: Whether it is turned in space where a turn is asked; else it is only shifted.
        change: How one pose follows another: ``moved``; ``cut``, a photo of each pose, one after
            the other; ``faded``, each faded into the next over three frames; ``stepped``, likewise
            with photos of each 12 degrees; ``swapped``, nothing is seen for half a second between.
        sway: Degrees by which it is never quite still, as heads are.
        order: Movements that it makes at times of its own whatever is asked; empty makes what is
            asked.
        rests_s: Between them, from least to most.
    """

    photos: list[tuple[Image, npt.NDArray[np.float32]]]
    shape: str
    in_space: bool
    change: str = "moved"
    sway: float = 0.0
    order: tuple[Movement, ...] = ()
    rests_s: tuple[float, float] = (0.5, 1.5)

    def __call__(self, rng: np.random.Generator, asked: Callable[[], Progress]) -> Iterator[Shown]:
        photo = self.photos[int(rng.integers(len(self.photos)))]
        poses = self._poses(rng, asked)
        shown, since = np.zeros(4), 0
        grid, swaying = (GRID if not self.sway else np.array([1, 1, 1, 0.01])), np.zeros(4)
        spread = self.sway * np.array([1, 1, 1, 0.01])
        for place, pose in enumerate(poses):
            # Poses of a grid, so that what is seen so is looked at once.
            swaying = 0.8 * swaying + 0.6 * spread * rng.normal(size=4)
            snapped = np.round((pose + swaying) / grid) * grid
            key, image = self._rendered(photo, snapped)
            changed = bool((snapped != shown).any())
            before, since = shown, place if changed else since
            if self.change in ("faded", "stepped") and changed and place:
                _, old = self._rendered(photo, before)
                for step in (1, 2):
                    mixed = cv2.addWeighted(old, 1 - step / 3, image, step / 3, 0)
                    between = np.asarray(mixed, np.uint8)
                    yield (place + step / 4) / FPS, (key, id(old), step), between
            if self.change == "swapped" and place - since < 3 and since:
                key, image = "nothing", np.full_like(image, 127)
            shown = snapped
            yield (place + 0.9) / FPS, key, image

    def _rendered(
        self, photo: tuple[Image, npt.NDArray[np.float32]], pose: npt.NDArray[np.float64]
    ) -> tuple[Hashable, Image]:
        key = (self.shape, id(photo[0]), tuple(np.round(pose, 3).tolist()))
        if key not in RENDERED:
            RENDERED[key] = self._seen(*photo, pose)
        return key, RENDERED[key]

    def _poses(
        self, rng: np.random.Generator, asked: Callable[[], Progress]
    ) -> Iterator[npt.NDArray[np.float64]]:
        pose, aim, most = np.zeros(4), np.zeros(4), rng.uniform(20, 50)
        most = min(most, 30) if self.shape == "head" else most
        steps = {"moved": np.array([7, 7, 6, 0.06]), "stepped": np.array([12, 12, 12, 0.12])}
        step = steps.get(self.change, np.full(4, 99.0))
        wanted = self._film(rng) if self.order else (asked() for _ in range(MOST_FRAMES))
        late: list[tuple[Movement | None, str]] = []
        done: Movement | None = None
        for now in wanted:
            late.append(now if isinstance(now, tuple) else (now.asked, now.state))
            wish, state = late[max(0, len(late) - 1 - REACT_FRAMES)]
            if wish is not None and wish != done:
                aim = self._aim(wish, most, rng)
            elif state == "resting":
                aim = np.zeros(4)
            done = wish
            pose = pose + np.clip(aim - pose, -step, step)
            yield pose

    def _film(self, rng: np.random.Generator) -> Iterator[tuple[Movement | None, str]]:
        """Each movement for a second and a half, and a rest of its own choice before it."""
        for movement in self.order:
            yield from [(None, "resting")] * round(FPS * rng.uniform(*self.rests_s))
            yield from [(movement, "moving")] * round(FPS * 1.5)
        yield from [(None, "resting")] * round(FPS * 6)

    def _aim(
        self, wanted: Movement, most: float, rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        turn = most if self.in_space else 0.0
        tilt, near = rng.uniform(20, 35), rng.uniform(0.3, 0.4)
        aims = {
            "turn_left": (-turn, 0, 0, 0), "turn_right": (turn, 0, 0, 0), "nod": (0, turn, 0, 0),
            "look_up": (0, -turn, 0, 0), "tilt_left": (0, 0, tilt, 0),
            "tilt_right": (0, 0, -tilt, 0), "closer": (0, 0, 0, near),
        }  # fmt: skip
        return np.array(aims[wanted], np.float64)

    def _seen(
        self, image: Image, marks: npt.NDArray[np.float32], pose: npt.NDArray[np.float64]
    ) -> Image:
        """The thing as a camera sees it whose focal length is 1.1 widths of the picture."""
        height, width = image.shape[:2]
        focal = 1.1 * width
        middle = marks.mean(axis=0)
        eyes = float(np.linalg.norm(marks[1] - marks[0]))
        yaw, pitch, roll = np.radians(pose[:3])
        turn_y = np.array(
            [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
        )
        turn_x = np.array(
            [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
        )
        turn_z = np.array(
            [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
        )
        turned = turn_z @ turn_x @ turn_y
        v, u = np.mgrid[0:height, 0:width].astype(np.float64)
        rays = np.stack(
            [(u - middle[0]) / focal, (v - middle[1]) / focal, np.ones_like(u)], axis=-1
        )
        way, origin = rays @ turned, -np.array([0, 0, focal / (1 + pose[3])]) @ turned
        x, y = self._hit(way, origin, eyes, marks - middle)
        seen = cv2.remap(
            image, (x + middle[0]).astype(np.float32), (y + middle[1]).astype(np.float32),
            cv2.INTER_LINEAR, borderValue=(127, 127, 127),
        )  # fmt: skip
        return np.asarray(seen, np.uint8)

    def _hit(
        self, way: npt.NDArray[np.float64], origin: npt.NDArray[np.float64], eyes: float,
        marks: npt.NDArray[np.float32],
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:  # fmt: skip
        """Which place of the photo each ray meets."""
        if self.shape == "bent":
            radius = 1.6 * eyes
            a = way[..., 0] ** 2 + way[..., 2] ** 2
            b = way[..., 0] * origin[0] + way[..., 2] * (origin[2] - radius)
            c = origin[0] ** 2 + (origin[2] - radius) ** 2 - radius**2
            root = b**2 - a * c
            far = np.where(root > 0, (-b - np.sqrt(np.abs(root))) / a, 1e9)
            hit = origin + far[..., None] * way
            return radius * np.arctan2(hit[..., 0], radius - hit[..., 2]), hit[..., 1]
        if self.shape == "head":
            return _on_head(way, origin, eyes)
        far = -origin[2] / way[..., 2]
        x, y = (origin[axis] + far * way[..., axis] for axis in (0, 1))
        if self.shape == "flat":
            return x, y
        if self.shape == "holes":
            deep = (0.3 * eyes - origin[2]) / way[..., 2]
            bx, by = (origin[axis] + deep * way[..., axis] for axis in (0, 1))
            mouth = marks[3:].mean(axis=0)
            spots = ((marks[0], 0.3, 0.18), (marks[1], 0.3, 0.18), (mouth, 0.5, 0.25))
            cut = np.zeros(x.shape, bool)
            for middle, wide, high in spots:
                across = (x - middle[0]) / (wide * eyes), (y - middle[1]) / (high * eyes)
                cut |= np.hypot(*across) < 1
            return np.where(cut, bx, x), np.where(cut, by, y)
        near = (-0.45 * eyes - origin[2]) / way[..., 2]
        nx, ny = (origin[axis] + near * way[..., axis] for axis in (0, 1))
        nose = ((nx - marks[2, 0]) / (0.3 * eyes)) ** 2 + ((ny - marks[2, 1]) / (0.4 * eyes)) ** 2
        return np.where(nose < 1, nx, x), np.where(nose < 1, ny, y)


def _on_head(
    way: npt.NDArray[np.float64], origin: npt.NDArray[np.float64], eyes: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where rays meet half an egg with a nose: by fixed points."""
    far = -origin[2] / way[..., 2]
    for _ in range(25):
        x, y = (origin[axis] + far * way[..., axis] for axis in (0, 1))
        u, v = x / eyes, y / eyes + 0.577
        egg = 1.05 * np.sqrt(np.clip(1 - (u / 1.3) ** 2 - ((v - 0.4) / 1.75) ** 2, 0.05, None))
        nose = 0.33 * np.exp(-((u / 0.17) ** 2 + ((v - 0.55) / 0.26) ** 2) / 2)
        far = 0.4 * far + 0.6 * (-(egg + nose - 0.93) * eyes - origin[2]) / way[..., 2]
    return x, y


def still(photos: list[tuple[Image, npt.NDArray[np.float32]]]) -> Film:
    def film(rng: np.random.Generator, _: Callable[[], Progress]) -> Iterator[Shown]:
        image = photos[int(rng.integers(len(photos)))][0]
        for place in range(MOST_FRAMES):
            yield place / FPS, id(image), image

    return film


def run(
    recognizer: Recognizer, film: Film, challenge: Callable[[], Challenge], *, n: int, name: str
) -> tuple[int, Counter[str], list[float]]:
    """How many sessions are accepted, why the others are not, and the depths that they showed."""
    accepted, why, depths = 0, Counter[str](), []
    for number in range(n):
        rng = np.random.default_rng([zlib.crc32(name.encode()), number])
        session, setup = LivenessSession(challenge()), camera(rng)
        for time_s, key, image in film(rng, partial(getattr, session, "progress")):
            if key not in LOOKS:
                LOOKS[key] = image, look(recognizer, image, time_s=0)
            if session.take(_taken(LOOKS[key][1], time_s, image, rng, setup)).is_over:
                break
        end = session.end()
        accepted += end.state == "accepted"
        why.update(reason.code for reason in end.reasons)
        depths.append(end.depth_deg)
    return accepted, why, depths


def _taken(
    seen: Seen, time_s: float, image: Image, rng: np.random.Generator, setup: dict[str, float]
) -> Seen:
    """A frame of this session: the look at the clean picture, moved and made unsure with it."""
    marks = seen.landmarks
    if marks is not None:
        shift = np.array([setup["dx"], setup["dy"]]) + rng.normal(0, JITTER_PX, marks.shape)
        marks = (marks + shift).astype(np.float32)
    return replace(seen, time_s=time_s, image=filmed(image, rng, setup), landmarks=marks)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--other-region", required=True)
    parser.add_argument("--movements", required=True)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    recognizer = Recognizer()
    region, other_region = (
        tuple(int(part) for part in text.split(","))
        for text in (options.region, options.other_region)
    )
    clip, other = (read_clip(options.clip, part) for part in (region, other_region))  # type: ignore[arg-type]
    moves: tuple[Movement, ...] = tuple(options.movements.split(","))
    photos = _photos(recognizer, [clip.frames[0], other.frames[0]], options.photos)
    print(
        "| what is shown | sessions | accepted | rejected for | depth shown, median and most | "
        "CPU seconds a session |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for name, film, challenge in _rows(recognizer, clip, other, moves, photos):
        if options.only in name:
            begun = time.process_time()
            accepted, why, depths = run(recognizer, film, challenge, n=options.n, name=name)
            reasons = ", ".join(f"{code} {count}" for code, count in why.most_common())
            shown = f"{np.median(depths):.1f}, {max(depths):.1f}"
            spent = (time.process_time() - begun) / options.n
            cells = f"{name} | {options.n} | {accepted} | {reasons} | {shown} | {spent:.1f}"
            print(f"| {cells} |", flush=True)


def _rows(
    recognizer: Recognizer, clip: Clip, other: Clip, moves: tuple[Movement, ...],
    photos: list[tuple[Image, npt.NDArray[np.float32]]],
) -> list[tuple[str, Film, Callable[[], Challenge]]]:  # fmt: skip
    def match_with_rests() -> Challenge:
        return replace(match(), rests_s=draw_rests(len(moves)))

    def guessed() -> Challenge:
        return Challenge(movements=GUESSED, nonce=NONCE, movement_s=MOVEMENT_S)

    def guessed_with_rests() -> Challenge:
        return replace(guessed(), rests_s=draw_rests(len(GUESSED)))

    def tilt_and_closer() -> Challenge:
        both: tuple[Movement, ...] = ("tilt_right", "closer", "tilt_left")
        return Challenge(movements=both, nonce=NONCE, movement_s=MOVEMENT_S)

    def match() -> Challenge:
        return Challenge(movements=moves, nonce=NONCE, movement_s=MOVEMENT_S)

    def drawn(n: int = 4) -> Challenge:
        return draw_challenge(n, movement_s=MOVEMENT_S)

    def turned_round() -> Challenge:
        return Challenge(movements=moves[::-1], nonce=NONCE)

    def tilt_and_turn() -> Challenge:
        both: tuple[Movement, ...] = ("tilt_right", "turn_left")
        return Challenge(movements=both, nonce=NONCE, movement_s=MOVEMENT_S)

    def twice() -> Challenge:
        return Challenge(movements=moves + moves, nonce=NONCE, movement_s=MOVEMENT_S)

    mirrored = Clip([np.ascontiguousarray(one[:, ::-1]) for one in clip.frames], clip.fps)
    backwards = Clip(clip.frames[::-1], clip.fps)
    stepped = Held(photos, "head", True, "stepped")
    head = Held(photos, "head", True, sway=1.5)
    film = Held(photos, "head", True, sway=1.5, order=GUESSED)
    # The best that a film can do: any rest is over before, and the time to begin is not.
    patient = replace(film, rests_s=(3.0, 4.5))
    there_and_back = Clip(clip.frames + clip.frames[::-1], clip.fps)
    return [
        ("the clip, its movements in their order", played(clip), match),
        ("the clip, its movements asked the other way round", played(clip), turned_round),
        ("the clip, two movements drawn", played(clip), lambda: drawn(2)),
        ("the clip, four movements drawn", played(clip), drawn),
        ("a still photo, its movements", still(photos), match),
        ("a photo waved in its plane, four drawn", Held(photos, "flat", False), drawn),
        ("a photo turned in space, four drawn", Held(photos, "flat", True), drawn),
        ("a photo turned in space, the clip's movements", Held(photos, "flat", True), match),
        ("the clip in a loop, its movements twice", played(clip, loops=4), twice),
        ("the clip, then another person", spliced(clip, other, recognizer), match),
        ("the clip, its movements, rests drawn", played(clip), match_with_rests),
        ("the clip at any speed, its movements, rests drawn", at_any_speed(clip), match_with_rests),
        ("the clip at half speed, its movements", played(clip, speed=0.5), match),
        ("the clip at double speed, its movements", played(clip, speed=2), match),
        ("the clip mirrored, its movements", played(mirrored), match),
        ("the clip backwards, its movements", played(backwards), match),
        ("the clip to and fro, its movements twice", played(there_and_back, loops=3), twice),
        ("a photo turned in space, tilt and turn", Held(photos, "flat", True), tilt_and_turn),
        ("a photo tilted and zoomed, only that asked", Held(photos, "flat", True), tilt_and_closer),
        ("a photo bent around a pole, four drawn", Held(photos, "bent", True), drawn),
        ("a photo with its nose before it, four drawn", Held(photos, "collage", True), drawn),
        ("a photo with holes for eyes and mouth, four drawn", Held(photos, "holes", True), drawn),
        ("slides of a turned head, cut, four drawn", Held(photos, "head", True, "cut"), drawn),
        ("slides of a turned head, faded, four drawn", Held(photos, "head", True, "faded"), drawn),
        ("slides of each 12 degrees, faded, four drawn", stepped, drawn),
        ("slides swapped by hand, four drawn", Held(photos, "head", True, "swapped"), drawn),
        ("a film of a computed head, its order, no rests", film, guessed),
        ("a film of a computed head, its order, rests drawn", patient, guessed_with_rests),
        ("a computed head that does what is asked, four drawn", head, drawn),
    ]  # fmt: skip


def _photos(
    recognizer: Recognizer, images: Sequence[Image], clips: Sequence[Path]
) -> list[tuple[Image, npt.NDArray[np.float32]]]:
    firsts = [*images, *(read_clip(path, None, most=1).frames[0] for path in clips)]
    return [_around(image, recognizer.detector.detect(image).landmarks[0]) for image in firsts]


def _around(image: Image, marks: npt.NDArray[np.float32]) -> tuple[Image, npt.NDArray[np.float32]]:
    """A square around the face, three times as wide as it is, as a photo is held up."""
    half = 3.2 * float(np.linalg.norm(marks[1] - marks[0]))
    corner = marks.mean(axis=0) - half
    size, factor = 240, 120 / half
    onto = np.c_[np.eye(2) * factor, -corner * factor].astype(np.float32)
    photo = cv2.warpAffine(
        image, onto, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    laid = ((marks - corner) * factor).astype(np.float32)
    return np.asarray(photo, np.uint8), laid


if __name__ == "__main__":
    main()
