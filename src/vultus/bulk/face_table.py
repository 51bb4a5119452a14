"""Faces of photos as Parquet: a row a face, and a row for each photo that gave none."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.pipeline.photos import AnalysedPhoto
from vultus.quality.gate import QualityGate

NO_FACE = "no face found"
_SPACE = b"embedding_space"
_MEASURES = ("quality", "trust", "occlusion")


@dataclass(frozen=True, slots=True, eq=False)
class FaceRows:
    """The faces of a finished run, or of a part of it.

    Attributes:
        embeddings: The faces, (n, dim).
        photos: (n,) the photo of each face, by its place in the list of photos.
        faces: (n,) its number among the photo's faces.
        refused: (n,) whether the quality gate refused it.
        raised: (n,) how much more similarity it needs with a face as doubtful as itself.
    """

    embeddings: Embeddings
    photos: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int32]
    refused: npt.NDArray[np.bool_]
    raised: npt.NDArray[np.float32]


def face_schema(space: EmbeddingSpace) -> Any:
    """The columns, with the embedding space in the schema's metadata (``embedding_space``, JSON).

    ``place`` is the photo's in the list of photos, from 0; ``photo`` its name, ``sha256`` of its
    bytes. ``problem`` says why a photo gave no face, and all columns from ``face`` on are null
    then. ``refused`` holds the gate's reasons, ``raised`` what it adds to a threshold between two
    faces as doubtful as this one. Boxes and landmarks are in pixels of the photo.
    """
    number, whole = pa.float32(), pa.int32()
    columns = [
        ("place", pa.int64()),
        ("photo", pa.string()),
        ("sha256", pa.string()),
        ("problem", pa.string()),
        ("height", whole),
        ("width", whole),
        ("face", whole),
        ("box_xyxy", pa.list_(number, 4)),
        ("landmarks", pa.list_(number, 10)),
        ("score", number),
        ("turned_deg", whole),
        ("stretched", number),
        ("refused", pa.list_(pa.string())),
        ("raised", number),
        *((name, number) for name in _MEASURES),
        ("norm", number),
        ("embedding", pa.list_(number, space.dim)),
    ]
    schema = pa.schema([pa.field(name, kind) for name, kind in columns])
    return schema.with_metadata({_SPACE: json.dumps(space.to_dict(), sort_keys=True)})


def photo_rows(
    photo: AnalysedPhoto, *, place: int, sha256: str | None, gate: QualityGate | None = None
) -> list[dict[str, Any]]:
    """The rows of one photo.

    Args:
        photo: As it was analysed.
        place: Of the photo in the list of photos.
        sha256: Of its bytes, in hexadecimal.
        gate: What judged it, with the limits of the model in use; None raises no threshold.
    """
    height, width = photo.size_hw
    of_photo = {
        "place": place,
        "photo": stored_name(photo.name),
        "sha256": sha256,
        "height": height,
        "width": width,
    }
    if not len(photo.faces):
        return [{**of_photo, "problem": NO_FACE}]
    righted = {
        "turned_deg": photo.righting.turned_deg,
        "stretched": photo.righting.width,
    }
    embeddings = photo.embeddings
    measures = {name: getattr(embeddings, name) for name in _MEASURES}
    raised = None if gate is None else gate.raised_each(embeddings.trust)
    return [
        {
            **of_photo,
            **righted,
            "face": face,
            "box_xyxy": photo.faces.boxes[face].tolist(),
            "landmarks": photo.faces.landmarks[face].reshape(-1).tolist(),
            "score": float(photo.faces.scores[face]),
            "refused": list(photo.refusals[face]),
            "raised": 0.0 if raised is None else float(raised[face]),
            **{k: None if v is None else float(v[face]) for k, v in measures.items()},
            "norm": float(embeddings.norms[face]),
            "embedding": embeddings.vectors[face],
        }
        for face in range(len(photo.faces))
    ]


def problem_row(name: str, problem: str, *, place: int, sha256: str | None) -> dict[str, Any]:
    """The row of a photo that cannot be used."""
    return {
        "place": place,
        "photo": stored_name(name),
        "sha256": sha256,
        "problem": stored_name(problem),
    }


def stored_name(name: str) -> str:
    """A name as Parquet can hold it: a file's name need not be valid text."""
    return name.encode("utf-8", "backslashreplace").decode()


def packed_rows(rows: Sequence[dict[str, Any]], space: EmbeddingSpace) -> bytes:
    """Rows as the bytes of one Parquet file; the same rows give the same bytes."""
    table = pa.Table.from_pylist(list(rows), schema=face_schema(space))
    packed = io.BytesIO()
    pq.write_table(table, packed, compression="zstd")
    return packed.getvalue()


def read_face_rows(paths: Sequence[Path], space: EmbeddingSpace) -> FaceRows:
    """The faces of Parquet files, in the order of the files.

    Args:
        paths: Of the files; photos without a face are passed over.
        space: In which they must be.

    Raises:
        InputError: If a file is damaged, no such file, or of another space.
    """
    parts = [part for path in paths if len((part := _read_faces(path, space)).photos)]
    if not parts:
        none = np.zeros(0, np.int64)
        empty = Embeddings.empty(space)
        return FaceRows(
            empty, none, none.astype(np.int32), none.astype(np.bool_), none.astype(np.float32)
        )
    return FaceRows(
        Embeddings.concatenate([part.embeddings for part in parts]),
        np.concatenate([part.photos for part in parts]),
        np.concatenate([part.faces for part in parts]),
        np.concatenate([part.refused for part in parts]),
        np.concatenate([part.raised for part in parts]),
    )


def read_table(path: Path, columns: Sequence[str] | None = None) -> Any:
    """One Parquet file as a ``pyarrow.Table``.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowException) as error:
        text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(
            f"{path} cannot be read as Parquet ({text}); remove it and run again"
        ) from error


def _read_faces(path: Path, space: EmbeddingSpace) -> FaceRows:
    columns = ("place", "face", "refused", "raised", *_MEASURES, "norm", "embedding")
    table = read_table(path, columns)
    found = (table.schema.metadata or {}).get(_SPACE, b"{}")
    if json.loads(found) != space.to_dict():
        raise InputError(f"{path} holds embeddings of another model or setting than its run's")
    table = table.filter(table["face"].is_valid()).combine_chunks()
    vectors = _numbers(table["embedding"]).reshape(-1, space.dim)
    measures = {
        name: _numbers(table[name])
        for name in _MEASURES
        if table.num_rows and not table[name].null_count
    }
    embeddings = Embeddings(vectors, _numbers(table["norm"]), space, **measures)
    refused = np.array([len(reasons) > 0 for reasons in table["refused"].to_pylist()], np.bool_)
    photos = table["place"].to_numpy().astype(np.int64)
    faces = table["face"].to_numpy().astype(np.int32)
    return FaceRows(embeddings, photos, faces, refused, _numbers(table["raised"]))


def _numbers(column: Any) -> npt.NDArray[np.float32]:
    values = column.combine_chunks()
    values = values.flatten() if pa.types.is_fixed_size_list(values.type) else values
    return np.ascontiguousarray(values.to_numpy(zero_copy_only=False), np.float32)
