"""Feeds mutated image files to `read_image` in a process of its own and reports as JSON.

Run by test_io_fuzz.py: ``python fuzz_worker.py SEED COUNT PROGRESS_FILE``. A crash or a hang ends
the process; the progress file then names the mutation.
"""

import io
import json
import random
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from vultus.core.errors import ImageError
from vultus.image.io import read_image

TIME_LIMIT_S = 20.0
ADDRESS_SPACE_BYTES = 4 << 30
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 7000, 50_000)


def make_seeds() -> list[bytes]:
    """One small valid file per format and kind of pixels."""
    rng = np.random.default_rng(0)
    picture = PilImage.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((96, 72))
    grey16 = PilImage.fromarray(rng.integers(0, 65536, (40, 50), np.uint16))
    exif = PilImage.Exif()
    exif[0x0112] = 6
    plans: list[tuple[PilImage.Image, str, dict[str, object]]] = [
        (picture, "JPEG", {"exif": exif}),
        (picture, "JPEG", {"progressive": True, "exif": exif}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "PNG", {"exif": exif}),
        (picture.convert("RGBA"), "PNG", {}),
        (picture.quantize(16), "PNG", {"transparency": 3}),
        (grey16, "PNG", {}),
        (picture, "PNG", {"save_all": True, "append_images": [picture.rotate(90)]}),
        (picture, "WEBP", {"exif": exif}),
        (picture.convert("RGBA"), "WEBP", {"lossless": True}),
        (picture, "WEBP", {"save_all": True, "append_images": [picture.rotate(90)]}),
        (picture, "BMP", {}),
        (picture.quantize(16), "BMP", {}),
        (picture, "TIFF", {"exif": exif}),
        (picture, "TIFF", {"compression": "tiff_lzw"}),
        (picture, "TIFF", {"compression": "jpeg"}),
        (picture.convert("1"), "TIFF", {"compression": "group4"}),
        (grey16, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (picture, "MPO", {"save_all": True, "append_images": [picture.rotate(90)]}),
    ]
    return [encode(image, kind, settings) for image, kind, settings in plans] + heif_seeds(picture)


def encode(image: PilImage.Image, kind: str, settings: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **settings)
    return buffer.getvalue()


def heif_seeds(picture: PilImage.Image) -> list[bytes]:
    try:
        from pillow_heif import from_pillow
    except ImportError:
        return []
    buffer = io.BytesIO()
    from_pillow(picture).save(buffer, quality=60)
    return [buffer.getvalue()]


def mutate(data: bytes, seeds: list[bytes], rng: random.Random) -> bytes:
    """Damage a file in one to three of the ways in which files get damaged or forged."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        rng.choice(
            (flip_bits, truncate, splice, edit_header, duplicate_chunk, delete_chunk, set_number)
        )(changed, seeds, rng)
    return bytes(changed)


def flip_bits(data: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 4, 32)) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    del data[rng.randint(0, len(data)) :]


def splice(data: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    other = rng.choice(seeds)
    data[rng.randint(0, len(data)) :] = other[rng.randint(0, len(other)) :]


def edit_header(data: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4) if data else 0):
        data[rng.randrange(min(len(data), 96))] = rng.randrange(256)


def duplicate_chunk(data: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    start = rng.randint(0, len(data))
    chunk = data[start : start + rng.randint(1, 400)]
    data[rng.randint(0, len(data)) : 0] = chunk * rng.choice((1, 2, 50))


def delete_chunk(data: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    start = rng.randint(0, len(data))
    del data[start : start + rng.randint(1, 200)]


def set_number(data: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    """Write a number that breaks arithmetic where widths, lengths and offsets live."""
    width = rng.choice((1, 2, 4))
    start = rng.randint(0, max(0, min(len(data), rng.choice((64, 4000))) - width))
    number = rng.choice(INTERESTING) & (256**width - 1)
    data[start : start + width] = number.to_bytes(width, rng.choice(("big", "little")))


def main(seed: int, count: int, progress: Path) -> None:
    """Run the mutations and write what came of them to stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    warnings.simplefilter("error")  # a warning that leaks would end the run
    seeds = make_seeds()
    for data in seeds:
        read_image(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes: Counter[str] = Counter()
    slowest_s = 0.0
    with progress.open("w") as log:
        for number in range(count):
            rng = random.Random(f"{seed}-{number}")
            data = mutate(rng.choice(seeds), seeds, rng)
            log.seek(0)
            log.write(f"{number:9d}")
            log.flush()
            signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT_S)  # SIGALRM ends even a C loop
            started = time.perf_counter()
            outcomes[outcome(data)] += 1
            slowest_s = max(slowest_s, time.perf_counter() - started)
    signal.setitimer(signal.ITIMER_REAL, 0)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = {"n": count, "seeds": len(seeds), "outcomes": outcomes, "slowest_s": slowest_s}
    sys.stdout.write(json.dumps({**report, "peak_growth_bytes": (after - before) * 1024}) + "\n")


def outcome(data: bytes) -> str:
    try:
        image = read_image(data)
    except ImageError:
        return "refused"
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        return f"broken result: {image.dtype} {image.shape}"
    return "read"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
