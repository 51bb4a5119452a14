import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.evaluation.protocols.base import EmbeddedPhotos, embed_in_portions, embed_sets
from vultus.evaluation.protocols.photos import Photos

SPACE = EmbeddingSpace("numbers", "0" * 64, "none", 2)


class NumberEmbedder:
    """Photos are numbers; multiples of 5 have no face. Norm and detector score tell which it is."""

    def __init__(self) -> None:
        self.portions: list[int] = []

    def __call__(self, photos: Photos, *, aligned: bool) -> EmbeddedPhotos:
        numbers = np.array([int(photo.decode()) for photo in photos if isinstance(photo, bytes)])
        self.portions.append(len(numbers))
        failed = numbers % 5 == 0
        found = numbers[~failed].astype(np.float32)
        raw = np.stack([found, np.zeros_like(found)], axis=1)
        embeddings = Embeddings.from_raw(raw, SPACE) if len(raw) else Embeddings.empty(SPACE)
        return EmbeddedPhotos(embeddings, failed, found / 100)


def _photos(n: int) -> Photos:
    return Photos([f"{number}" for number in range(n)], lambda name: name.encode())


@pytest.mark.parametrize("portion", [1, 7, 1000])
def test_sets_come_whole_and_in_order(portion: int) -> None:
    sizes = [3, 0, 1, 12, 5, 1, 0]
    embed = NumberEmbedder()
    sets = list(embed_sets(embed, _photos(22), sizes=sizes, aligned=True, portion=portion))
    assert [len(one.failed) for one in sets] == sizes
    start = 0
    for one, size in zip(sets, sizes, strict=True):
        expected = [number for number in range(start, start + size) if number % 5]
        assert one.embeddings.norms.tolist() == expected
        assert one.detector_scores is not None
        np.testing.assert_allclose(one.detector_scores * 100, expected, rtol=1e-6)
        start += size
    assert sum(embed.portions) == 22
    assert max(embed.portions) <= portion + 12


def test_sizes_must_add_up() -> None:
    with pytest.raises(InputError, match="add up to 4 photos, got 5"):
        list(embed_sets(NumberEmbedder(), _photos(4), sizes=[5], aligned=True))


def test_portions_are_all_photos_in_order() -> None:
    embed = NumberEmbedder()
    portions = list(embed_in_portions(embed, _photos(23), aligned=True, portion=10))
    assert embed.portions == [10, 10, 3]
    norms = np.concatenate([one.embeddings.norms for one in portions])
    assert norms.tolist() == [number for number in range(23) if number % 5]
