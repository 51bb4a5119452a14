"""Which records of a RecordIO file are images, and of whom."""

import numpy as np
import numpy.typing as npt

from vultus.core.errors import ImageError, InputError
from vultus.data.base import UNLABELLED
from vultus.data.formats.record_file import RecordFile, RecordHead

EXACT_FLOATS = 1 << 24
"""Labels are 32-bit floats, which count exactly up to here."""

_Ints = npt.NDArray[np.int64]


def images_one_by_one(records: RecordFile, starts: _Ints) -> tuple[_Ints, _Ints]:
    """Look at each record.

    Args:
        records: The file.
        starts: (n,) int64, where its records begin.

    Returns:
        Where the records that hold an image begin, and their labels as they stand there. A record
        that cannot be read is kept with label -1, so that it is counted when it is asked for.

    Raises:
        InputError: If a label is no whole number.
    """
    heads = [_head(records, start) for start in starts.tolist()]
    kept = np.array([head is None or head.has_image for head in heads], bool)
    labels = [_label(head) for head in heads if head is None or head.has_image]
    return starts[kept], np.array(labels, np.int64)


def described_images(records: RecordFile, keys: _Ints, starts: _Ints) -> tuple[_Ints, _Ints] | None:
    """Look only at the records that describe others, and at two images of each identity.

    Record 0 holds [end of the image keys, end of the keys of identities], and an identity's record
    the range of its images' keys. The first and last image of a range must have one label; images
    that no range accounts for are looked at each.

    Args:
        records: The file.
        keys: (n,) int64, ascending.
        starts: (n,) int64, where the records of these keys begin.

    Returns:
        As `images_one_by_one`; None if record 0 is something else, or there are more records than
        its 32-bit floats can count.

    Raises:
        InputError: If a label is no whole number.
    """
    bounds = _key_range(_head(records, int(starts[0]))) if keys[0] == 0 else None
    if bounds is None:
        return None
    is_image = _within(keys, (1, bounds[0]))
    image_keys, image_starts = keys[is_image], starts[is_image]
    labels = np.full(len(image_keys), UNLABELLED, np.int64)
    known = np.zeros(len(image_keys), bool)
    spans = (_key_range(_head(records, start)) for start in starts[_within(keys, bounds)].tolist())
    end = 0
    for span in sorted(span for span in spans if span is not None):
        low, high = np.searchsorted(image_keys, span)
        if low == high or low < end:  # each image is of one range, the first that names it
            continue
        end = high
        first, last = (_label(_head(records, int(image_starts[i]))) for i in (low, high - 1))
        if first == last:
            labels[low:high] = first
            known[low:high] = True
    for place in np.flatnonzero(~known):
        labels[place] = _label(_head(records, int(image_starts[place])))
    return image_starts, labels


def _within(keys: _Ints, bounds: tuple[int, int]) -> npt.NDArray[np.bool_]:
    return (keys >= bounds[0]) & (keys < bounds[1])


def _key_range(head: RecordHead | None) -> tuple[int, int] | None:
    """First and end of a range of keys; None if the record is something else."""
    if head is None or head.has_image or len(head.labels) != 2:
        return None
    low, high = head.labels
    counts = 1 <= low <= high < EXACT_FLOATS and low.is_integer() and high.is_integer()
    return (int(low), int(high)) if counts else None


def _head(records: RecordFile, start: int) -> RecordHead | None:
    try:
        return records.head(start)
    except ImageError:
        return None


def _label(head: RecordHead | None) -> int:
    if head is None:
        return UNLABELLED
    label = head.labels[0]
    if not (UNLABELLED <= label <= EXACT_FLOATS and label.is_integer()):
        raise InputError(
            f"labels of records must be whole numbers from -1 to {EXACT_FLOATS}, got {label}"
        )
    return int(label)
