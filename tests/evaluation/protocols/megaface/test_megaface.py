"""MegaFace on tiny copies of its layout: FaceScrub folders, distractors by Flickr user, lists."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols import PROTOCOLS
from vultus.image.io import read_image, write_image
from vultus.models.digest import sha256_file

PEOPLE = {"Ann_Lee": 4, "Bob_Day": 3, "Cid_Ray": 2, "Dee_Fox": 1}
N_DISTRACTORS = 40


@pytest.fixture
def megaface(tmp_path: Path, face_photo: Any) -> Path:
    for person, (name, photos) in enumerate(PEOPLE.items()):
        folder = tmp_path / "facescrub_images" / name
        folder.mkdir(parents=True)
        for photo in range(photos):
            image = face_photo(person, photo, noise=110.0)
            write_image(folder / f"{name}_{100 + photo}.png", image)
    for number in range(N_DISTRACTORS):
        folder = tmp_path / "megaface_images" / f"{number % 3}00" / f"{number // 4}@N0{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        # Some of them look like Ann.
        person = 0 if number % 9 == 4 else 50 + number
        write_image(folder / f"{number}_0.png", face_photo(person, 500 + number, noise=110.0))
    return tmp_path


def _vector(path: Path) -> np.ndarray:
    pixels = read_image(path)[..., 0].ravel().astype(np.float64)
    if np.ptp(pixels) == 0:
        return np.full(len(pixels), np.nan)
    pixels -= pixels.mean()
    return np.asarray(pixels / np.linalg.norm(pixels))


def _distractors(root: Path) -> list[str]:
    folder = root / "megaface_images"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def _naive_rate(root: Path, distractors: list[str], rank: int) -> tuple[float, int]:
    """Rank-k by building every gallery of the challenge: the distractors and one other photo."""
    gallery = [_vector(root / "megaface_images" / name) for name in distractors]
    hits = searches = 0
    for person in (root / "facescrub_images").iterdir():
        photos = sorted(person.iterdir())
        for probe in photos:
            for mate in photos:
                if mate == probe:
                    continue
                searches += 1
                with_mate = [*gallery, _vector(mate)]
                similarity = [float(_vector(probe) @ other) for other in with_mate]
                mine = similarity[-1]
                if np.isnan(mine):
                    continue
                before = sum(other >= mine for other in similarity[:-1])
                hits += before < rank
    return hits / searches, searches


def _run(root: Path, embed: Any, **settings: Any) -> dict[str, Any]:
    result = PROTOCOLS.create("megaface", root=root, aligned=True, **settings).run(embed)
    report: dict[str, Any] = result.to_dict()
    return report


def test_ranks_agree_with_galleries_built_one_by_one(megaface: Path, embed: Any) -> None:
    report = _run(megaface, embed, sizes=(10, 25, 1000), seed=None)
    assert [row["n_distractors"] for row in report["distractors"]] == [10, 25, 40]
    rates = []
    for row in report["distractors"]:
        for rank in (1, 5, 10):
            listed = _distractors(megaface)[: row["n_distractors"]]
            expected, searches = _naive_rate(megaface, listed, rank)
            assert row["rank"][f"{rank}"]["rate"] == pytest.approx(expected)
            assert row["n_searches"] == searches == 4 * 3 + 3 * 2 + 2
            interval = row["rank"][f"{rank}"]["interval"]
            assert interval["low"] <= expected <= interval["high"]
        rates.append(row["rank"]["1"]["rate"])
    assert rates[0] > rates[2]
    assert 0 < rates[2] < 1


def test_the_order_of_distractors_is_drawn_by_the_seed(megaface: Path, embed: Any) -> None:
    one, two, three = (_run(megaface, embed, sizes=(10,), seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one["distractors"] != three["distractors"]
    order = np.arange(N_DISTRACTORS)
    np.random.default_rng(1).shuffle(order)
    listed = [_distractors(megaface)[place] for place in order[:10]]
    expected, _ = _naive_rate(megaface, listed, 1)
    assert one["distractors"][0]["rank"]["1"]["rate"] == pytest.approx(expected)
    # No more than the largest size is compared.
    assert one["n_photos"] == 10 + 10
    assert one["n_impostor"] == 10 * 10


def test_rates_agree_with_loops(megaface: Path, embed: Any) -> None:
    report = _run(megaface, embed)
    probes = sorted((megaface / "facescrub_images").rglob("*.png"))
    genuine = [
        float(_vector(a) @ _vector(b))
        for i, a in enumerate(probes)
        for b in probes[i + 1 :]
        if a.parent == b.parent
    ]
    gallery = [_vector(megaface / "megaface_images" / name) for name in _distractors(megaface)]
    impostor = sorted((float(_vector(a) @ b) for a in probes for b in gallery), reverse=True)
    assert (report["n_genuine"], report["n_impostor"]) == (len(genuine), len(impostor))
    assert (len(genuine), len(impostor)) == (6 + 3 + 1, 10 * 40)
    # 400 comparisons carry 1e-2: the threshold lies above all but four of them.
    assert report["far"] == 1e-2
    assert report["tar_at_far"] == np.mean([score > impostor[4] + 1e-6 for score in genuine])
    assert report["accuracy"] is None


def test_the_tail_of_all_comparisons_is_named(megaface: Path, embed: Any) -> None:
    result = PROTOCOLS.create("megaface", root=megaface, aligned=True).run(embed)
    evidence = result.evidence
    assert evidence is not None
    assert evidence.searches is not None
    assert evidence.searches.mated.all()
    for first, second, genuine, score in zip(
        evidence.first, evidence.second, evidence.genuine, evidence.scores, strict=True
    ):
        a = megaface / "facescrub_images" / evidence.photos[first]
        folder = "facescrub_images" if genuine else "megaface_images"
        b = megaface / folder / evidence.photos[second]
        assert float(_vector(a) @ _vector(b)) == pytest.approx(float(score), abs=1e-5)
    assert (~evidence.genuine).sum() == 400


def test_failures_are_errors_of_probes_and_no_distractors(
    megaface: Path, embed: Any, blank: Callable[[Path], None]
) -> None:
    blank(megaface / "facescrub_images" / "Ann_Lee" / "Ann_Lee_101.png")
    names = _distractors(megaface)
    for name in names[:3]:
        blank(megaface / "megaface_images" / name)
    report = _run(megaface, embed, sizes=(10,), seed=None)
    # Ten distractors with a face took thirteen photos.
    assert report["distractors"][0]["n_distractors"] == 10
    assert (report["failed_probes"], report["failed_distractors"], report["failures"]) == (1, 3, 4)
    assert report["n_photos"] == 10 + 13
    expected, searches = _naive_rate(megaface, names[3:13], 1)
    assert report["distractors"][0]["n_searches"] == searches == 20
    assert report["distractors"][0]["rank"]["1"]["rate"] == pytest.approx(expected)
    assert (report["n_genuine"], report["n_impostor"]) == (10, 9 * 10)


def test_lists_of_noises_clean_probes_and_distractors(megaface: Path, embed: Any) -> None:
    names = _distractors(megaface)
    noises = megaface / "facescrub_noises.txt"
    noises.write_text("# mislabelled\nAnn_Lee_102.png\nBob_Day/Bob_Day_100.jpg\n")
    (megaface / "megaface_noises.txt").write_text(f"{names[0]}\n1\t{names[7]}\tx\n0\t{names[9]}\n")
    as_it_is = _run(megaface, embed, clean=False, seed=None)
    cleaned = _run(megaface, embed, seed=None)
    assert (as_it_is["removed_probes"], as_it_is["removed_distractors"]) == (0, 0)
    assert (cleaned["removed_probes"], cleaned["removed_distractors"]) == (2, 3)
    assert (as_it_is["files_sha256"], as_it_is["settings"]["clean"]) == ({}, False)
    assert cleaned["files_sha256"].keys() == {"facescrub_noises.txt", "megaface_noises.txt"}
    assert cleaned["n_genuine"] == 3 + 1 + 1
    for gone in ("Ann_Lee/Ann_Lee_102.png", "Bob_Day/Bob_Day_100.png"):
        (megaface / "facescrub_images" / gone).unlink()
    for gone in (names[0], names[7], names[9]):
        (megaface / "megaface_images" / gone).unlink()
    removed = _run(megaface, embed, clean=False, seed=None)
    for key in ("distractors", "n_genuine", "n_impostor", "equal_error_rate"):
        assert removed[key] == cleaned[key]


@pytest.mark.parametrize("kind", ["text", "json"])
def test_lists_say_which_photos_take_part(megaface: Path, embed: Any, kind: str) -> None:
    probes = ["Ann_Lee/Ann_Lee_100.png", "Ann_Lee/Ann_Lee_103.png", "Cid_Ray/Cid_Ray_100.png"]
    distractors = _distractors(megaface)[5:25]
    if kind == "text":
        names = ("facescrub_lst", "megaface_lst")
        (megaface / names[0]).write_text("\n".join(probes))
        (megaface / names[1]).write_text("\n".join(distractors))
    else:
        folder = megaface / "devkit" / "templatelists"
        folder.mkdir(parents=True)
        names = ("facescrub_features_list.json", "megaface_features_list.json_1000000_1")
        ids = [name.split("/")[0] for name in probes]
        (folder / names[0]).write_text(json.dumps({"id": ids, "path": probes}, indent=1))
        (folder / names[1]).write_text(json.dumps({"path": distractors}))
    report = _run(megaface, embed, seed=None)
    assert report["files_sha256"].keys() == set(names)
    assert report["n_probes"] == 3
    assert report["distractors"][-1]["n_distractors"] == 20
    assert embed.asked[0].names == probes
    assert embed.asked[1].names == distractors
    (megaface / "elsewhere").mkdir()
    shutil.move(megaface / "facescrub_images", megaface / "elsewhere" / "scrub")
    moved = _run(megaface, embed, seed=None, probes=megaface / "elsewhere" / "scrub")
    assert moved == report


def test_digests_are_of_the_lists(megaface: Path, embed: Any) -> None:
    listed = megaface / "megaface_lst"
    listed.write_text("\n".join(_distractors(megaface)))
    assert _run(megaface, embed)["files_sha256"] == {"megaface_lst": sha256_file(listed)}


def test_memory_holds_a_portion_of_the_distractors(
    megaface: Path, embed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _run(megaface, embed)
    monkeypatch.setattr(
        "vultus.evaluation.protocols.base.embed_in_portions.__kwdefaults__", {"portion": 7}
    )
    embed.asked.clear()
    portions = _run(megaface, embed)
    assert portions["distractors"] == whole["distractors"]
    # Products of other shapes differ in their last bits.
    assert portions["equal_error_rate"] == pytest.approx(whole["equal_error_rate"])
    assert portions["n_impostor"] == whole["n_impostor"]
    assert [len(photos) for photos in embed.asked] == [10, 7, 7, 7, 7, 7, 5]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("megaface_lst", "100/none.png\n", r"lacks 1, e\.g\. 100/none\.png"),
        ("facescrub_lst", "Ann_Lee/none.png\n", "has no such photo"),
        ("facescrub_lst", "", "must name photos"),
        ("megaface_lst", "a.png\na.png\n", "2 names, 1 of them different"),
        ("facescrub_features_list.json", "{'path': 3}", "JSON with a list 'path'"),
        ("facescrub_features_list.json", '{"path": [3]}', "list 'path' of names"),
        ("facescrub_lst", "Dee_Fox/Dee_Fox_100.png\n", "a person with two photos"),
    ],
)
def test_damaged_lists_are_refused(megaface: Path, name: str, text: str, match: str) -> None:
    (megaface / name).write_text(text)
    with pytest.raises(InputError, match=match):
        PROTOCOLS.create("megaface", root=megaface)


def test_missing_parts_are_named(megaface: Path, tmp_path: Path) -> None:
    shutil.rmtree(megaface / "megaface_images")
    with pytest.raises(InputError, match="hold the distractors in megaface_images or"):
        PROTOCOLS.create("megaface", root=megaface)
    with pytest.raises(InputError, match="rise"):
        PROTOCOLS.create("megaface", root=megaface, sizes=(10, 5))
