"""RecordIO: bytes laid out by hand from the format's description, damage, and round trips."""

import json
import pickle
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import ImageError, InputError
from vultus.data import open_dataset
from vultus.data.formats.files import MAX_IMAGE_BYTES
from vultus.data.formats.record_file import RecordFile, RecordHead, encode_record, read_index
from vultus.data.formats.record_writer import record_writer
from vultus.data.formats.recordio import RecordDataset
from vultus.image.io import read_image, write_image

MAGIC = 0xCED7230A
MAGIC_BYTES = b"\x0a\x23\xd7\xce"


def part(flag: int, data: bytes) -> bytes:
    padding = (4 - len(data) % 4) % 4
    return struct.pack("<II", MAGIC, (flag << 29) + len(data)) + data + b"\0" * padding


def image_data(label: float | Sequence[float], key: int, image: bytes) -> bytes:
    if isinstance(label, (int, float)):
        return struct.pack("<IfQQ", 0, label, key, 0) + image
    return struct.pack(f"<IfQQ{len(label)}f", len(label), 0.0, key, 0, *label) + image


def write_set(folder: Path, records: Sequence[bytes], *, index: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    starts = np.cumsum([0, *map(len, records)])
    (folder / "train.rec").write_bytes(b"".join(records))
    if index:
        rows = "".join(f"{key}\t{start}\n" for key, start in enumerate(starts[:-1]))
        (folder / "train.idx").write_text(rows)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    encoded = []
    for number in range(7):
        path = folder / f"{number}.png"
        write_image(path, generator.integers(0, 256, (9, 9 + number % 3, 3), dtype=np.uint8))
        encoded.append(path.read_bytes())
    return encoded


LABELS = [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 2.0]


def emore_records(images: Sequence[bytes]) -> list[bytes]:
    """Record 0, seven images, three identities."""
    datas = [image_data([8.0, 11.0], 0, b"")]
    datas += [image_data(LABELS[k], k + 1, images[k]) for k in range(7)]
    datas += [image_data(span, 8 + k, b"") for k, span in enumerate([(1, 4), (4, 5), (5, 8)])]
    return [part(0, data) for data in datas]


def flat_records(images: Sequence[bytes]) -> list[bytes]:
    """Images only; a label alone, or the first of a list."""
    labels = [label if k % 2 else [label, 7.0, 9.0] for k, label in enumerate(LABELS)]
    return [part(0, image_data(labels[k], k, images[k])) for k in range(7)]


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("layout", [emore_records, flat_records])
def test_both_layouts_with_and_without_index(
    tmp_path: Path, images: list[bytes], layout: object, index: bool
) -> None:
    assert callable(layout)
    root = write_set(tmp_path / "set", layout(images), index=index)
    (root / "property").write_text("5,9,9\n")
    for place in (root, root / "train.rec", root / "train.idx")[: 2 + index]:
        dataset = open_dataset(place)
        assert isinstance(dataset, RecordDataset)
        assert dataset.identities == ("0", "1", "2")
        assert dataset.labels.tolist() == LABELS
        assert dataset.declared_identities == 5
        copy = pickle.loads(pickle.dumps(dataset))
        for number, image in enumerate(images):
            assert copy.encoded(number) == image
        np.testing.assert_array_equal(copy.image(3), read_image(images[3]))


def test_a_described_set_is_opened_by_few_records(
    tmp_path: Path, images: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 3000
    datas = [image_data([n + 1.0, n + 4.0], 0, b"")]
    datas += [image_data(float(k * 3 // n), k + 1, images[0]) for k in range(n)]
    spans = [(k * n // 3 + 1.0, (k + 1) * n // 3 + 1.0) for k in range(3)]
    datas += [image_data(span, n + 1 + k, b"") for k, span in enumerate(spans)]
    root = write_set(tmp_path / "set", [part(0, data) for data in datas])
    looked_at: list[int] = []
    head = RecordFile.head

    def counted(records: RecordFile, start: int) -> RecordHead:
        looked_at.append(start)
        return head(records, start)

    monkeypatch.setattr(RecordFile, "head", counted)
    dataset = RecordDataset(root)
    assert np.bincount(dataset.labels).tolist() == [n // 3] * 3
    assert len(looked_at) == 1 + 3 + 2 * 3


def test_ranges_that_contradict_the_images_are_not_believed(
    tmp_path: Path, images: list[bytes]
) -> None:
    datas = [image_data([8.0, 12.0], 0, b"")]
    datas += [image_data(LABELS[k], k + 1, images[k]) for k in range(7)]
    # Too long; overlapping the next; not numbers; reaching beyond the images.
    spans = [(1.0, 5.0), (4.0, 6.0), (float("nan"), 8.0), (6.0, 80.0)]
    datas += [image_data(span, 8 + k, b"") for k, span in enumerate(spans)]
    dataset = RecordDataset(write_set(tmp_path / "set", [part(0, data) for data in datas]))
    assert dataset.labels.tolist() == LABELS


def test_labels_with_gaps_are_closed_and_keep_their_number_as_name(
    tmp_path: Path, images: list[bytes]
) -> None:
    raw = [40.0, 7.0, -1.0, 40.0, 85741.0]
    records = [part(0, image_data(label, k, images[k])) for k, label in enumerate(raw)]
    dataset = RecordDataset(write_set(tmp_path / "set", records))
    assert dataset.identities == ("7", "40", "85741")
    assert dataset.labels.tolist() == [1, 0, -1, 1, 2]


@pytest.mark.parametrize("label", [0.5, -2.0, float("nan"), float("inf"), 3e9])
def test_other_labels_are_refused(tmp_path: Path, images: list[bytes], label: float) -> None:
    root = write_set(tmp_path / "set", [part(0, image_data(label, 0, images[0]))])
    with pytest.raises(InputError, match="whole numbers"):
        RecordDataset(root)


@pytest.mark.parametrize("start", [0, 3, 4, 16, 20, 24, 28, 36])
def test_the_magic_number_inside_an_image(tmp_path: Path, start: int) -> None:
    # By the format's rule: cut only where it begins at a multiple of 4 of the record's data.
    image = b"\x89PNG" + b"x" * start + MAGIC_BYTES * 2 + b"yz"
    data = image_data(5.0, 0, image)
    at = data.index(MAGIC_BYTES)
    if at % 4:
        expected = part(0, data)
    else:
        expected = part(1, data[:at]) + part(2, b"") + part(3, data[at + 8 :])
    assert encode_record(data) == expected
    dataset = RecordDataset(write_set(tmp_path / "set", [expected, expected], index=start > 16))
    assert len(dataset) == 2
    assert dataset.encoded(1) == image


def test_the_magic_number_in_the_header(tmp_path: Path) -> None:
    data = image_data(1.0, MAGIC, b"image")
    at = data.index(MAGIC_BYTES)
    assert at % 4 == 0
    root = write_set(tmp_path / "set", [part(1, data[:at]) + part(3, data[at + 4 :])])
    dataset = RecordDataset(root)
    assert (dataset.encoded(0), dataset.identities) == (b"image", ("1",))


def test_random_data_comes_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    datas = []
    for _ in range(200):
        words = generator.choice([MAGIC, 0, 1 << 29, 0xFFFFFFFF], generator.integers(0, 9))
        datas.append(words.astype("<u4").tobytes() + generator.bytes(int(generator.integers(0, 6))))
    (tmp_path / "x.rec").write_bytes(b"".join(map(encode_record, datas)))
    records = RecordFile(tmp_path / "x.rec")
    starts, damages = records.scan()
    assert damages == 0
    assert [records.read(start) for start in starts.tolist()] == datas


def test_damaged_records_are_skipped_without_index(tmp_path: Path, images: list[bytes]) -> None:
    records = flat_records(images)
    records[2] = b"\0" * len(records[2])
    records[4] = struct.pack("<II", MAGIC, 1 << 20) + records[4][8:]  # longer than it is
    records[6] = records[6][:-8]  # the end of the file is missing
    dataset = RecordDataset(write_set(tmp_path / "set", records, index=False))
    assert dataset.damages == 3
    assert [dataset.encoded(k) for k in range(4)] == [images[k] for k in (0, 1, 3, 5)]


def test_damaged_records_are_kept_unlabelled_with_index(
    tmp_path: Path, images: list[bytes]
) -> None:
    records = flat_records(images)
    records[2] = b"\0" * len(records[2])
    dataset = RecordDataset(write_set(tmp_path / "set", records))
    assert dataset.labels.tolist() == [0, 0, -1, 1, 2, 2, 2]
    with pytest.raises(ImageError, match=r"train\.rec, the record at byte"):
        dataset.image(2)
    assert dataset.encoded(3) == images[3]


@pytest.mark.parametrize(
    ("record", "match"),
    [
        (part(0, b"short"), "too short"),
        (part(0, struct.pack("<IfQQ", 0xFFFFFFFF, 0, 0, 0) + b"x" * 64), "too short"),
        (part(0, image_data(0.0, 0, b"")), "holds no image"),
        (part(2, image_data(0.0, 0, b"x")), "later part"),
        (part(1, image_data(0.0, 0, b"x")) * 2, "do not follow"),
        (part(1, image_data(0.0, 0, b"x")), "magic number"),
        (struct.pack("<II", MAGIC, (1 << 29) - 1) + b"x" * 64, "more than is"),
        (part(1, b"")[:6], "magic number"),
    ],
)
def test_hostile_records(tmp_path: Path, record: bytes, match: str) -> None:
    (tmp_path / "x.rec").write_bytes(record)
    with pytest.raises(ImageError, match=match):
        RecordFile(tmp_path / "x.rec").image(0)


def test_many_parts_cannot_grow_beyond_the_limit(tmp_path: Path) -> None:
    half = bytes(MAX_IMAGE_BYTES // 2 + 4)
    (tmp_path / "x.rec").write_bytes(part(1, half) + part(2, half) + part(3, b""))
    with pytest.raises(ImageError, match="do not follow"):
        RecordFile(tmp_path / "x.rec").read(0)
    with pytest.raises(InputError, match="at most"):
        encode_record(bytes(MAX_IMAGE_BYTES + 1))


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _parts_after_many_heads(heads: int, parts: int) -> bytes:
    """Beginnings one after the other, each of which says that it goes up to the same parts."""
    begins = [
        struct.pack("<II", MAGIC, 1 << 29 | 8 * (heads - number - 1)) for number in range(heads)
    ]
    return b"".join(begins) + part(2, b"") * parts


@pytest.mark.parametrize("last", [part(3, b"x" * 24), b""], ids=["whole", "broken"])
def test_parts_that_many_records_lead_to_are_read_but_once(tmp_path: Path, last: bytes) -> None:
    heads, parts = 4000, 16_000
    content = _parts_after_many_heads(heads, parts) + last
    records = RecordFile(tmp_path / "train.rec")
    records.path.write_bytes(content)
    assert _seconds(records.scan) < 5
    index = "".join(f"{key}\t{8 * key}\n" for key in range(heads))
    (tmp_path / "train.idx").write_text(index)
    assert _seconds(lambda: RecordDataset(tmp_path)) < 5


def test_a_record_of_many_parts_that_a_range_names_again_and_again(
    tmp_path: Path, images: list[bytes]
) -> None:
    n = 1000
    many = part(1, image_data(0, 1, b"")) + part(2, b"") * 20_000 + part(3, images[0])
    ranges = [part(0, image_data((1, 3), key, b"")) for key in range(3, 3 + n)]
    head = part(0, image_data((3, 3 + n), 0, b""))
    write_set(tmp_path, [head, many, part(0, image_data(1, 2, images[1])), *ranges])
    assert _seconds(lambda: RecordDataset(tmp_path)) < 5
    assert RecordDataset(tmp_path).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("0\t0\n1\t0\n", "more than one key"),
        ("", "key<tab>byte"),
        ("0 0\n", "key<tab>byte"),
        ("0\t0\t0\n", "3 columns"),
        ("0\tx\n", "key<tab>byte"),
        ("0\t0\n0\t8\n", "key 0 twice"),
        ("0\t-8\n", "up to byte"),
        ("0\t0\n1\t999\n", "cut short"),
        ("0\t99999999999999999999\n", "key<tab>byte"),
        ("0\t0\n" * 10_000, "too large"),
    ],
)
def test_hostile_indices(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "x.idx").write_text(text)
    with pytest.raises(InputError, match=match):
        read_index(tmp_path / "x.idx", size=500)


def test_keys_may_come_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "x.idx").write_text("5\t0\n-3\t40\n2\t80\n")
    keys, starts = read_index(tmp_path / "x.idx", size=500)
    assert (keys.tolist(), starts.tolist()) == ([-3, 2, 5], [40, 80, 0])


def test_changed_bytes_never_do_more_than_vultus_errors(
    tmp_path: Path, images: list[bytes]
) -> None:
    generator = np.random.default_rng(0)
    whole = b"".join(emore_records(images))
    root = write_set(tmp_path / "set", emore_records(images))
    for trial in range(300):
        changed = bytearray(whole)
        for at in generator.integers(0, len(whole), 8):
            changed[at] = generator.integers(0, 256)
        (root / "train.rec").write_bytes(changed)
        if trial == 150:
            (root / "train.idx").unlink()
        try:
            dataset = RecordDataset(root)
        except InputError:
            continue
        for index in range(len(dataset)):
            try:
                dataset.image(index)
            except ImageError:
                continue


@pytest.mark.parametrize("names", ["{}", '["a", 1]', "[", "[" * 100_000, '["a"]'])
def test_a_broken_file_of_names_is_refused(tmp_path: Path, images: list[bytes], names: str) -> None:
    root = write_set(tmp_path / "set", flat_records(images))
    (root / "train.identities.json").write_text(names)
    with pytest.raises(InputError, match=r"train\.identities\.json must"):
        RecordDataset(root)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one \.rec file, got 0"):
        RecordDataset(tmp_path)
    with pytest.raises(InputError, match=r"none\.rec cannot be opened"):
        RecordDataset(tmp_path / "none.rec")
    (tmp_path / "empty.rec").touch()
    with pytest.raises(InputError, match="empty"):
        RecordDataset(tmp_path)


def test_what_is_written_is_the_published_layout(tmp_path: Path, images: list[bytes]) -> None:
    names = ["anna", "bo/ö", "carl"]
    with record_writer(tmp_path / "set") as writer:
        for label, image in zip(LABELS, images, strict=True):
            writer.add(names[int(label)], image)
    expected = write_set(tmp_path / "expected", emore_records(images))
    for file in ("train.rec", "train.idx"):
        assert (tmp_path / "set" / file).read_bytes() == (expected / file).read_bytes()
    assert (tmp_path / "set/property").read_text() == "3,9,9\n"
    assert json.loads((tmp_path / "set/train.identities.json").read_text("utf-8")) == names
    assert RecordDataset(tmp_path / "set").identities == tuple(names)


def test_unlabelled_images_are_written_last(tmp_path: Path, images: list[bytes]) -> None:
    with record_writer(tmp_path / "set") as writer:
        writer.add("anna", images[0])
        writer.add(None, images[1])
        writer.add(None, images[2])
        with pytest.raises(InputError, match="unlabelled last"):
            writer.add("bo", images[3])
    dataset = RecordDataset(tmp_path / "set")
    assert (dataset.labels.tolist(), dataset.identities) == ([0, -1, -1], ("anna",))
    assert dataset.encoded(2) == images[2]


def test_an_identity_that_was_left_cannot_go_on(tmp_path: Path, images: list[bytes]) -> None:
    with record_writer(tmp_path / "set") as writer:
        writer.add("anna", images[0])
        writer.add("bo", images[1])
        with pytest.raises(InputError, match="must follow each other"):
            writer.add("anna", images[2])


def test_a_record_larger_than_any_image_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(struct.pack("<II", MAGIC, MAX_IMAGE_BYTES + 4))
    with open(path, "r+b") as stream:
        stream.truncate(MAX_IMAGE_BYTES + 12)
    with pytest.raises(ImageError, match="more than is"):
        RecordFile(path).read(0)
