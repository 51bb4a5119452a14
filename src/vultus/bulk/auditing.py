"""Crops in bulk audited: embedded by many processes, judged by one as ever."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

from vultus import __version__
from vultus.bulk.embedding import KILLED, opened_analyser
from vultus.bulk.hanging import got_further
from vultus.bulk.parts import PartWork, run_parts
from vultus.bulk.workers import Workers, check_version
from vultus.core.errors import ImageError
from vultus.core.progress import Progress
from vultus.curation.audit.audit import Audit, AuditTools
from vultus.curation.audit.audit_folder import AuditJob, audit_to_folder, check_new_manifest
from vultus.curation.audit.features import feature_rows, open_features, read_crop
from vultus.data.base import FaceDataset, open_dataset
from vultus.pipeline.analyser import Analyser

_PART_IMAGES = 512


@dataclass(frozen=True, slots=True)
class _Source:
    """A data set as each worker opens it."""

    path: Path
    kind: str
    settings: tuple[tuple[str, Any], ...] = ()

    def open(self) -> FaceDataset:
        return open_dataset(self.path, self.kind, **dict(self.settings))


class _Crop(NamedTuple):
    """What a worker gives of an image: its digest, and its row of the store if it can be read."""

    digest: bytes
    row: dict[str, Any] | None


def audit_in_bulk(
    job: AuditJob,
    tools: AuditTools,
    folder: Path,
    *,
    analyser: Analyser,
    workers: Workers,
) -> Audit:
    """Audit a data set as `vultus.curation.audit.audit_folder.audit_to_folder` does.

    The workers embed the crops into the audit's cache, part by part, so that it goes on where it
    was; all else, the comparisons too, is done here.

    Args:
        job: What to audit; every worker must see the same paths.
        tools: As there; ``progress`` is told how far it is.
        folder: Where to; made when needed.
        analyser: Opens the same models in the workers.
        workers: Who embeds.

    Raises:
        InputError: As there.
        ProviderError: If the cluster is gone, or processes die for no image's sake.
    """
    check_new_manifest(folder)
    own = tuple(sorted(job.settings.items()))
    aside: dict[bytes, str] = dict(tools.set_aside)
    for source in (
        _Source(job.source, job.kind, own),
        *(_Source(path, "auto") for path in job.against),
    ):
        for digest in _embed(source, tools, analyser, workers):
            aside[digest] = KILLED
    return audit_to_folder(job, replace(tools, set_aside=aside), folder)


def _embed(source: _Source, tools: AuditTools, analyser: Analyser, workers: Workers) -> list[bytes]:
    """Fill the cache with what it does not know; gives the digests of images that kill."""
    dataset = source.open()
    store = open_features(tools.cache, tools.embedder)
    progress: Progress | None = tools.progress
    packed = cloudpickle.dumps(analyser)
    n_done = 0

    def tell() -> None:
        if progress is not None:
            progress(f"embedding {source.path.name}", n_done, len(dataset))

    def places(part: int) -> range:
        return range(part * _PART_IMAGES, min(len(dataset), (part + 1) * _PART_IMAGES))

    def arguments(places: range, killers: frozenset[int]) -> Sequence[Any]:
        return packed, source, places, killers, __version__

    def done(part: int, crops: list[_Crop]) -> None:
        nonlocal n_done
        for crop in crops:
            if crop.row is not None:
                store.add(crop.digest, crop.row)
        store.save()
        n_done += len(places(part))
        tell()

    def is_known(part: int) -> bool:
        digests = [_digest(dataset, index) for index in places(part)]
        return all(digest is None or digest in store for digest in digests)

    parts = range(-(-len(dataset) // _PART_IMAGES))
    missing = [part for part in parts if not is_known(part)]
    n_done = len(dataset) - sum(len(places(part)) for part in missing)
    tell()
    work = PartWork(places, _embedded, arguments, done, items="images")
    killers = run_parts(work, missing, workers)
    return [digest for index in killers if (digest := _digest(dataset, index)) is not None]


def _digest(dataset: FaceDataset, index: int) -> bytes | None:
    try:
        return hashlib.sha256(dataset.encoded(index)).digest()
    except ImageError:
        return None


def _embedded(
    analyser: bytes, source: _Source, places: range, killers: frozenset[int], version: str
) -> list[_Crop]:
    """In a worker: digests and features of some images; what cannot be read is left out."""
    check_version(version)
    embedder, dataset = opened_analyser(analyser).embedder, _dataset(source)
    digests, images = [], []
    for index in places:
        if index in killers:
            continue
        try:
            data = dataset.encoded(index)
            images.append(read_crop(data, embedder))
            digests.append(hashlib.sha256(data).digest())
        except ImageError:  # told by the audit, which reads it again
            continue
        got_further()
    rows = feature_rows(images, embedder) if images else []
    return list(map(_Crop, digests, rows))


@lru_cache(maxsize=4)
def _dataset(source: _Source) -> FaceDataset:
    return source.open()
