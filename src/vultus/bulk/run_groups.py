"""The people of a run: its faces grouped, and written down."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vultus.bulk.face_table import stored_name
from vultus.bulk.grouping import cluster_faces
from vultus.bulk.run_folder import RunFolder
from vultus.bulk.workers import Workers
from vultus.core.choices import DEFAULT_MOST_FACES
from vultus.core.files import check_target, writing
from vultus.core.progress import Progress
from vultus.core.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class RunGroups:
    """How many people a run shows.

    Attributes:
        n_faces: Faces that were grouped: those that the gate did not refuse.
        n_refused: Faces that it refused.
        n_people: Groups.
        largest_component: Faces of the largest set that a chain of likenesses connects.
        threshold: What was applied.
        notes: What else there is to know, in words.
    """

    n_faces: int
    n_refused: int
    n_people: int
    largest_component: int
    threshold: Threshold
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "faces": self.n_faces,
            "refused": self.n_refused,
            "people": self.n_people,
            "largest_component": self.largest_component,
            "threshold": self.threshold.to_dict(),
            "notes": list(self.notes),
        }


def cluster_run(
    run: RunFolder,
    threshold: Threshold,
    output: str | Path,
    *,
    workers: Workers,
    most_faces: int = DEFAULT_MOST_FACES,
    progress: Progress | None = None,
) -> RunGroups:
    """Group a run's faces by person; killed and run again, it goes on.

    Args:
        run: A finished run.
        threshold: The rule between groups.
        output: A Parquet file with a row a face: ``place``, ``photo``, ``face``, ``person``; in the
            order of the photos.
        workers: Who does it; all must see the run's folder.
        most_faces: As `vultus.bulk.grouping.cluster_faces`.
        progress: Told how far it is.

    Raises:
        InputError: If the run is not finished, or damaged.
        OutputError: If the file cannot be written.
    """
    output = Path(output)
    check_target(output)
    faces = run.faces()
    kept = np.flatnonzero(~faces.refused)
    places = faces.photos[kept]
    found = cluster_faces(
        faces.embeddings[kept],
        threshold,
        workers=workers,
        scratch=run.path,
        photos=places,
        raised=faces.raised[kept],
        most_faces=most_faces,
        progress=progress,
    )
    labels = found.clustering.labels
    columns = {
        "place": pa.array(places),
        "photo": pa.array([stored_name(run.photos[place].name) for place in places.tolist()]),
        "face": pa.array(faces.faces[kept]),
        "person": pa.array(labels),
    }
    with writing(output, private=True) as stream:
        pq.write_table(pa.table(columns), stream, compression="zstd")
    return RunGroups(
        len(kept),
        len(faces.photos) - len(kept),
        found.clustering.n_clusters,
        found.largest,
        threshold,
        tuple(found.notes()),
    )
