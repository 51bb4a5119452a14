"""IJB-C and IJB-B on tiny copies of the meta files, against loops over faces, media, templates."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import InputError
from vultus.evaluation.protocols import PROTOCOLS
from vultus.evaluation.protocols.ijb.ijb_files import read_faces, read_pairs, read_subjects
from vultus.evaluation.protocols.ijb.ijb_templates import linked_people
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.image.io import read_image, write_image
from vultus.models.digest import sha256_file

N_SUBJECTS = 20
NOISE = 200.0


@pytest.fixture
def ijbc(tmp_path: Path, face_photo: Any) -> Path:
    """Per subject: a template to enrol (two stills) and two probes (a still; a video and a still).

    Templates are not numbered in the order of the file, and subjects 0 .. 9 are in gallery G1.
    """
    meta, crops = tmp_path / "meta", tmp_path / "loose_crop"
    meta.mkdir()
    crops.mkdir()
    faces, points, pairs = [], [], []
    galleries: dict[str, list[str]] = {"G1": [], "G2": []}
    probes = []
    generator = np.random.default_rng(0)
    number = 0
    for subject in reversed(range(N_SUBJECTS)):
        enrolled, still, mixed = 3 * subject + 1, 3 * subject + 2, 3 * subject + 1000
        for template, media in ((enrolled, (0, 1)), (still, (2,)), (mixed, (3, 3, 3, 4))):
            for medium in media:
                number += 1
                write_image(crops / f"{number}.png", face_photo(subject, number, noise=NOISE))
                faces.append(f"{number}.png {template} {10 * subject + medium}")
                xy = " ".join(f"{value:.2f}" for value in generator.uniform(2, 14, 10))
                points.append(f"{number}.png {xy} {generator.uniform(0.2, 1):.4f}")
        heading = f"{enrolled},{subject + 7000}"
        galleries["G1" if subject < N_SUBJECTS // 2 else "G2"] += [heading, heading]
        probes += [f"{still},{subject + 7000}", f"{mixed},{subject + 7000}"]
        other = 3 * ((subject + 1) % N_SUBJECTS)
        pairs += [f"{enrolled} {still} 1", f"{enrolled} {mixed} 1"]
        pairs += [f"{enrolled} {other + 2} 0", f"{enrolled} {other + 1000} 0"]
    (meta / "ijbc_face_tid_mid.txt").write_text("\n".join(faces) + "\n")
    (meta / "ijbc_template_pair_label.txt").write_text("\n".join(pairs) + "\n")
    (meta / "ijbc_name_5pts_score.txt").write_text("\n".join(points) + "\n")
    for name, rows in galleries.items():
        listed = "\n".join(["TEMPLATE_ID,SUBJECT_ID", *rows])
        (meta / f"ijbc_1N_gallery_{name}.csv").write_text(listed + "\n")
    listed = "\n".join(["TEMPLATE_ID,SUBJECT_ID", *probes])
    (meta / "ijbc_1N_probe_mixed.csv").write_text(listed + "\n")
    return tmp_path


class Naive:
    """All by loops over the lines of the files."""

    def __init__(self, root: Path, *, norm: bool, score: bool, prefix: str = "ijbc") -> None:
        meta = root / "meta"
        weights = {}
        for line in (meta / f"{prefix}_name_5pts_score.txt").read_text().splitlines():
            name, *words = line.split()
            weights[name] = float(words[-1])
        by_template: dict[int, dict[int, list[np.ndarray]]] = {}
        for line in (meta / f"{prefix}_face_tid_mid.txt").read_text().splitlines():
            name, template, media = line.split()
            pixels = read_image(root / "loose_crop" / name)[..., 0].ravel().astype(np.float64)
            by_template.setdefault(int(template), {})
            if np.ptp(pixels) == 0:
                continue
            feature = pixels - pixels.mean()
            if not norm:
                feature = feature / math.sqrt(sum(feature**2))
            if score:
                feature = feature * weights[name]
            by_template[int(template)].setdefault(int(media), []).append(feature)
        self.templates: dict[int, np.ndarray | None] = {}
        for number, by_media in by_template.items():
            means = [np.mean(features, axis=0) for features in by_media.values()]
            self.templates[number] = np.sum(means, axis=0) if means else None
        self.meta, self.prefix = meta, prefix

    def similarity(self, one: int, other: int) -> float:
        a, b = self.templates[one], self.templates[other]
        if a is None or b is None:
            return -math.inf
        return float(a @ b / math.sqrt((a @ a) * (b @ b)))

    def pairs(self) -> tuple[list[float], list[float]]:
        kinds: dict[str, list[float]] = {"1": [], "0": []}
        for line in (self.meta / f"{self.prefix}_template_pair_label.txt").read_text().splitlines():
            one, other, label = line.split()
            kinds[label].append(self.similarity(int(one), int(other)))
        return kinds["1"], [score for score in kinds["0"] if score > -math.inf]

    def search(self, gallery: str) -> tuple[list[tuple[float, float]], list[float]]:
        """Rank and score of each mated search; best score of each other search."""
        enrolled = self._subjects(f"1N_gallery_{gallery}")
        mated, strangers = [], []
        for probe, subject in self._subjects("1N_probe_mixed").items():
            scores = {who: self.similarity(probe, template) for template, who in enrolled.items()}
            if subject in scores:
                mine = scores[subject]
                rank = sum(score >= mine for score in scores.values())
                mated.append((math.inf if mine == -math.inf else rank, mine))
            elif max(scores.values()) > -math.inf:
                strangers.append(max(scores.values()))
        return mated, strangers

    def _subjects(self, name: str) -> dict[int, int]:
        lines = (self.meta / f"{self.prefix}_{name}.csv").read_text().splitlines()[1:]
        return {int(line.split(",")[0]): int(line.split(",")[1]) for line in lines}

    def at_fpir(self, gallery: str, fpir: float) -> float:
        """TPIR at the lowest score whose FPIR is at most the one asked for."""
        mated, strangers = self.search(gallery)
        best = 0.0
        for threshold in sorted({*strangers, *(score for _, score in mated)}, reverse=True):
            if sum(score >= threshold for score in strangers) > fpir * len(strangers):
                break
            if threshold > -math.inf:
                best = sum(score >= threshold for _, score in mated) / len(mated)
        return best


MODES = [("NDF", True, True), ("ND", True, True), ("N", True, False), ("D", False, True),
         ("none", False, False)]  # fmt: skip


def _embed(embed: Any, flip: str) -> Any:
    embed.space = EmbeddingSpace("pixels", "0" * 64, f"none flip={flip}", embed.space.dim)
    return embed


@pytest.mark.parametrize(("mode", "norm", "score"), MODES)
def test_pairs_and_searches_agree_with_loops(
    ijbc: Path, embed: Any, mode: str, norm: bool, score: bool
) -> None:
    _embed(embed, "add" if "F" in mode else "none")
    result = PROTOCOLS.create("ijb-c", root=ijbc, mode=mode).run(embed)
    report = result.to_dict()
    naive = Naive(ijbc, norm=norm, score=score)
    genuine, impostor = naive.pairs()
    assert report["settings"]["mode"] == f"N{norm:d}D{score:d}F{2 if 'F' in mode else 0}"
    assert (report["n_genuine"], report["n_impostor"]) == (40, 40)
    assert result.evidence is not None
    found = result.evidence.scores[result.evidence.genuine]
    np.testing.assert_allclose(found, genuine, atol=1e-5)
    highest = result.evidence.scores[~result.evidence.genuine]
    np.testing.assert_allclose(highest, sorted(impostor, reverse=True), atol=1e-5)
    # 40 impostor comparisons carry 3 / 40 and so 0.1: four of them may match.
    assert report["far"] == 0.1
    limit = sorted(impostor, reverse=True)[4]
    assert report["tar_at_far"] == np.mean([one > limit + 1e-6 for one in genuine])
    for gallery in ("G1", "G2"):
        figures = report["galleries"][gallery]
        mated, strangers = naive.search(gallery)
        assert (figures["n_enrolled"], figures["n_mated"]) == (10, len(mated))
        assert figures["n_strangers"] == len(strangers) == 20
        for rank in (1, 5, 10):
            expected = np.mean([found <= rank for found, _ in mated])
            assert figures["rank"][f"{rank}"]["rate"] == pytest.approx(expected)
    assert report["identification"]["open_set"] == []
    mean = np.mean([report["galleries"][name]["rank"]["1"]["rate"] for name in ("G1", "G2")])
    assert report["identification"]["rank"]["1"]["rate"] == pytest.approx(mean)
    assert 0.3 < mean < 1


def test_tpir_is_the_mean_over_the_galleries(ijbc: Path, embed: Any) -> None:
    """With every probe listed ten times there are strangers enough for FPIR 0.1."""
    meta = ijbc / "meta"
    probes = (meta / "ijbc_1N_probe_mixed.csv").read_text().splitlines()
    faces = (meta / "ijbc_face_tid_mid.txt").read_text().splitlines()
    points = (meta / "ijbc_name_5pts_score.txt").read_text().splitlines()
    more_faces, more_points, more_probes = list(faces), list(points), list(probes)
    generator = np.random.default_rng(1)
    listed = {line.split(",")[0] for line in probes[1:]}
    for copy in range(1, 4):
        for face, point in zip(faces, points, strict=True):
            name, template, media = face.split()
            if template in listed and generator.random() < 0.8:
                new = f"{copy}00{name}"
                shade = read_image(ijbc / "loose_crop" / name).astype(np.int64)
                shade += generator.normal(0, 60, shade.shape[:2]).astype(np.int64)[..., None]
                write_image(ijbc / "loose_crop" / new, shade.clip(0, 255).astype(np.uint8))
                more_faces.append(f"{new} {copy}0{template} {media}")
                more_points.append(point.replace(name, new, 1))
        used = {line.split()[1] for line in more_faces}
        more_probes += [
            f"{copy}0{line}" for line in probes[1:] if f"{copy}0{line.split(',')[0]}" in used
        ]
    (meta / "ijbc_1N_probe_mixed.csv").write_text("\n".join(more_probes))
    (meta / "ijbc_face_tid_mid.txt").write_text("\n".join(more_faces))
    (meta / "ijbc_name_5pts_score.txt").write_text("\n".join(more_points))
    report = PROTOCOLS.create("ijb-c", root=ijbc, mode="ND").run(embed).to_dict()
    naive = Naive(ijbc, norm=True, score=True)
    expected = [naive.at_fpir(gallery, 0.1) for gallery in ("G1", "G2")]
    row = report["identification"]["open_set"][0]
    assert row["target_fpir"] == 0.1
    assert row["tpir"] == pytest.approx(np.mean(expected))
    assert 0 < row["tpir"] < 1
    for gallery, tpir in zip(("G1", "G2"), expected, strict=True):
        assert report["galleries"][gallery]["open_set"][0]["tpir"] == pytest.approx(tpir)
    assert row["fnir_interval"]["low"] < row["fnir"] < row["fnir_interval"]["high"]
    assert row["fnir_interval"]["method"] == "bootstrap over identities"
    assert report["identification"]["identified_at_rank"] is None


def test_listed_landmarks_align_and_listed_scores_weigh(ijbc: Path, embed: Any) -> None:
    embed.scored = True
    from_list = PROTOCOLS.create("ijb-c", root=ijbc).run(embed)
    assert from_list.settings == {"mode": "N1D1F0", "landmarks": "list"}
    photos = embed.asked[0]
    lines = (ijbc / "meta" / "ijbc_name_5pts_score.txt").read_text().splitlines()
    numbers = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in lines}
    for name, landmarks in zip(photos.names, photos.landmarks, strict=True):
        np.testing.assert_allclose(landmarks.ravel(), numbers[name][:10], atol=1e-5)
    detected = PROTOCOLS.create("ijb-c", root=ijbc, detect=True).run(embed)
    assert embed.asked[1].landmarks is None
    assert detected.settings == {"mode": "N1D1F0", "landmarks": "detector"}
    assert "ijbc_name_5pts_score.txt" not in detected.files_sha256
    assert _genuine(detected) != pytest.approx(_genuine(from_list))
    crops = PROTOCOLS.create("ijb-c", root=ijbc, aligned=True).run(embed)
    assert embed.asked[2].landmarks is None
    assert crops.settings == {"mode": "N1D1F0", "landmarks": "aligned crops"}
    assert _genuine(crops) == pytest.approx(_genuine(from_list))


def _genuine(result: ProtocolResult) -> list[float]:
    assert result.evidence is not None
    return [float(score) for score in result.evidence.scores[result.evidence.genuine]]


def test_every_file_is_in_the_digests(ijbc: Path, embed: Any) -> None:
    result = PROTOCOLS.create("ijb-c", root=ijbc).run(embed)
    assert result.files_sha256 == {
        path.name: sha256_file(path) for path in (ijbc / "meta").iterdir()
    }
    assert len(result.files_sha256) == 6


def test_templates_without_a_face_are_misses(
    ijbc: Path, embed: Any, blank: Callable[[Path], None]
) -> None:
    listed = (ijbc / "meta" / "ijbc_face_tid_mid.txt").read_text().splitlines()
    lines = [line.split() for line in listed]
    # A probe template (still of subject 3), an enrolled one (subject 12) and one face of a video.
    for name, template, _ in lines:
        if template in ("11", "37"):
            blank(ijbc / "loose_crop" / name)
    first_of_video = next(name for name, template, _ in lines if template == "1006")
    blank(ijbc / "loose_crop" / first_of_video)
    result = PROTOCOLS.create("ijb-c", root=ijbc, mode="ND").run(embed)
    report = result.to_dict()
    assert (report["failures"], report["failed_sets"], report["n_sets"]) == (4, 2, 60)
    naive = Naive(ijbc, norm=True, score=True)
    genuine, impostor = naive.pairs()
    assert (report["n_genuine"], report["n_impostor"]) == (40, len(impostor))
    assert sum(score == -math.inf for score in genuine) == 3
    assert _genuine(result) == pytest.approx(genuine, abs=1e-5)
    for gallery in ("G1", "G2"):
        mated, strangers = naive.search(gallery)
        figures = report["galleries"][gallery]
        assert figures["n_strangers"] == len(strangers)
        for rank in (1, 5, 10):
            expected = np.mean([found <= rank for found, _ in mated])
            assert figures["rank"][f"{rank}"]["rate"] == pytest.approx(expected)


def test_intervals_are_over_people_that_genuine_pairs_link(ijbc: Path, embed: Any) -> None:
    result = PROTOCOLS.create("ijb-c", root=ijbc, mode="N").run(embed)
    point = result.comparisons.points[0]
    assert point.tar_interval.method == "bootstrap over identities"
    assert point.fmr_interval.method == "Wilson"


def test_without_galleries_there_is_no_search(ijbc: Path, embed: Any) -> None:
    for path in (ijbc / "meta").glob("*_1N_*"):
        path.unlink()
    report = PROTOCOLS.create("ijb-c", root=ijbc).run(embed).to_dict()
    assert report["identification"] is None
    assert report["galleries"] == {}


def test_ijb_b_has_galleries_of_its_own_names(ijbc: Path, embed: Any) -> None:
    root = ijbc / "data"
    (root / "IJBB").mkdir(parents=True)
    for name in ("meta", "loose_crop"):
        (ijbc / name).rename(root / "IJBB" / name)
    for path in (root / "IJBB" / "meta").iterdir():
        path.rename(path.with_name(path.name.replace("ijbc", "ijbb").replace("_G", "_S")))
    report = PROTOCOLS.create("ijb-b", root=root).run(embed).to_dict()
    assert report["protocol"] == "ijb-b"
    assert list(report["galleries"]) == ["S1", "S2"]


def test_memory_holds_some_templates_at_a_time(
    ijbc: Path, embed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PROTOCOLS.create("ijb-c", root=ijbc).run(embed).to_dict()
    embed.asked.clear()
    monkeypatch.setattr(
        "vultus.evaluation.protocols.base.embed_sets.__kwdefaults__", {"portion": 9}
    )
    monkeypatch.setattr("vultus.evaluation.protocols.ijb.ijb_templates.PAIRS_AT_ONCE", 7)
    monkeypatch.setattr("vultus.evaluation.protocols.ijb.ijb_files.LINES_AT_ONCE", 11)
    assert PROTOCOLS.create("ijb-c", root=ijbc).run(embed).to_dict() == whole
    assert max(len(photos) for photos in embed.asked) <= 9 + 3


@pytest.mark.parametrize(
    ("mode", "flip", "listed", "match"),
    [
        ("NX", "none", True, "letters of N, D and F"),
        ("NN", "none", True, "letters of N, D and F"),
        ("NDF", "none", True, "run with --flip add or concat"),
        ("ND", "add", True, "run with --flip none"),
        ("D", "none", False, "needs detector scores"),
    ],
)
def test_modes_that_cannot_be_are_refused(
    ijbc: Path, embed: Any, mode: str, flip: str, listed: bool, match: str
) -> None:
    if not listed:
        (ijbc / "meta" / "ijbc_name_5pts_score.txt").unlink()
    with pytest.raises(InputError, match=match):
        PROTOCOLS.create("ijb-c", root=ijbc, mode=mode).run(_embed(embed, flip))


def test_the_mode_follows_what_there_is(ijbc: Path, embed: Any) -> None:
    (ijbc / "meta" / "ijbc_name_5pts_score.txt").unlink()
    result = PROTOCOLS.create("ijb-c", root=ijbc).run(_embed(embed, "concat"))
    assert result.settings["mode"] == "N1D0F1"


@pytest.mark.parametrize(
    ("file", "text", "match"),
    [
        ("face_tid_mid.txt", "1.png 1\n", r"face_tid_mid\.txt:1 must be"),
        ("face_tid_mid.txt", "", "it names none"),
        ("template_pair_label.txt", "1 2 3\n", "labels must be 1 or 0"),
        ("template_pair_label.txt", "1 2\n", "labels must be 1 or 0"),
        ("template_pair_label.txt", "1 two 1\n", "template template label"),
        ("template_pair_label.txt", "1 999999 1\n", r"have no face, e\.g\. 999999"),
        ("template_pair_label.txt", "", "it holds none"),
        ("name_5pts_score.txt", "1.png 1 2 3\n", r"5pts_score\.txt:1 must be"),
        ("name_5pts_score.txt", f"1.png {'1 ' * 11}\n", r"it lacks 139"),
        ("1N_gallery_G1.csv", "TEMPLATE_ID,SUBJECT_ID\n", "it has 1 lines"),
        ("1N_gallery_G1.csv", "T,S\n1,2\n1,3\n", "template 1 has two subjects"),
        ("1N_gallery_G1.csv", "T,S\none,2\n", r"G1\.csv:2 must begin with template"),
        ("1N_gallery_G1.csv", "T,S\n888888,2\n", "gallery G1 names 1 templates"),
    ],
)
def test_damaged_meta_files_are_refused(
    ijbc: Path, embed: Any, file: str, text: str, match: str
) -> None:
    (ijbc / "meta" / f"ijbc_{file}").write_text(text)
    with pytest.raises(InputError, match=match):
        PROTOCOLS.create("ijb-c", root=ijbc).run(embed)


def test_missing_things_are_named(ijbc: Path, embed: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"hold meta/ijbb_face_tid_mid\.txt"):
        PROTOCOLS.create("ijb-b", root=ijbc)
    (ijbc / "loose_crop" / "7.png").unlink()
    with pytest.raises(InputError, match=r"it lacks 1, e\.g\. 7\.png"):
        PROTOCOLS.create("ijb-c", root=ijbc)
    # Without any photos the protocol is there for stored embeddings, which need no photo.
    (ijbc / "loose_crop").rename(ijbc / "gone")
    protocol = PROTOCOLS.create("ijb-c", root=ijbc)
    with pytest.raises(InputError, match="there are no photos at"):
        protocol.run(embed)


def test_people_are_what_genuine_pairs_link() -> None:
    first, second = np.array([0, 2, 4], np.int32), np.array([1, 1, 5], np.int32)
    people = linked_people(7, first, second)
    assert len({people[0], people[3], people[4], people[6]}) == 4
    assert people[0] == people[1] == people[2]
    assert people[4] == people[5]


def test_columns_are_found_by_the_heading(tmp_path: Path) -> None:
    path = tmp_path / "gallery.csv"
    path.write_text("FILENAME,SUBJECT_ID,TEMPLATE_ID\na.jpg,5,11\nb.jpg,5,11\nc.jpg,6,12\n")
    assert read_subjects(path) == {11: 5, 12: 6}
    path.write_text("a,b\n11,5\n")
    assert read_subjects(path) == {11: 5}


def test_faces_are_sorted_by_template_and_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "faces.txt"
    path.write_text("a 5 1\nb 2 1\nc 5 2\nd 2 3\n")
    faces = read_faces(path)
    assert faces.names == ("b", "d", "a", "c")
    assert faces.templates.tolist() == [2, 5]
    assert faces.media.tolist() == [1, 3, 1, 2]
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("5 2 1\n2 2 0\n")
    found = read_pairs(pairs, faces)
    assert (found.first.tolist(), found.second.tolist()) == ([1, 0], [0, 0])
    assert found.genuine.tolist() == [True, False]
