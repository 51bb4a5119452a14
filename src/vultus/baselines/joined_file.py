"""Embedding files of several networks as one, whose vectors are the joined features."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vultus.baselines.ensemble import join_features
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError
from vultus.embedding.embedding_file import EmbeddingFile, read_embedding_file, save_embeddings


def join_embedding_files(
    paths: Sequence[str | Path], output: str | Path, *, weights: Sequence[float] | None = None
) -> EmbeddingFile:
    """Put the embeddings of the same faces by several networks side by side, see `join_features`.

    A face is known by its photo's name and its number there; those that not all files hold are left
    out, and a photo of which none is left counts as failed. The cosine of two results is the
    weighted mean of the networks' cosines.

    Args:
        paths: Files of `vultus embed` or ``--save-embeddings``, two or more.
        output: Where to write the result, a file of the same kind.
        weights: How much each counts, above 0; None = all the same.

    Returns:
        What was written.

    Raises:
        InputError: If a file cannot be read, or they have no face in common.
    """
    if len(paths) < 2:
        raise InputError(f"joining needs two files of embeddings or more, got {len(paths)}")
    files = [read_embedding_file(path) for path in paths]
    places = [
        {(source.photo, source.face): row for row, source in enumerate(file.sources)}
        for file in files
    ]
    common = [key for key in places[0] if all(key in place for place in places)]
    if not common:
        raise InputError(
            f"{', '.join(map(str, paths))} must hold the same faces, they have none in common "
            f"(the first begins with {files[0].sources[0].photo if files[0].sources else 'none'})"
        )
    parts = [
        file.embeddings.vectors[[place[key] for key in common]]
        for file, place in zip(files, places, strict=True)
    ]
    vectors = join_features(parts, weights=weights).astype(np.float32)
    space = _joined_space([file.embeddings.space for file in files], weights, vectors.shape[1])
    norms = np.ones(len(common), np.float32)  # those of several networks are no one quality
    sources = [files[0].sources[places[0][key]] for key in common]
    kept = {photo for photo, _ in common}
    seen = [s.photo for file in files for s in file.sources] + [n for f in files for n in f.failed]
    failed = sorted(set(seen) - kept)
    save_embeddings(output, Embeddings(vectors, norms, space), sources=sources, failed=failed)
    return read_embedding_file(output)


def _joined_space(
    spaces: Sequence[EmbeddingSpace], weights: Sequence[float] | None, dim: int
) -> EmbeddingSpace:
    shares = [1.0] * len(spaces) if weights is None else list(weights)
    parts = [f"{share:g} x {space.model}" for share, space in zip(shares, spaces, strict=True)]
    digest = hashlib.sha256("".join(space.weights_sha256 for space in spaces).encode()).hexdigest()
    preprocessing = "; ".join(space.preprocessing for space in spaces)
    return EmbeddingSpace(" + ".join(parts), digest, f"joined: {preprocessing}", dim)
