import json

import numpy as np

from vultus.gallery.people.faces import StoredFace, vector_bytes


def test_a_record_from_before_measures_were_kept_knows_none() -> None:
    vector = np.array([1, 0, 0, 0], np.float32)
    face = StoredFace(vector, 9.0, 0.5, "a.jpg", "2026-11-01T00:00:00+00:00", occlusion=0.75)
    assert StoredFace.from_bytes(face.to_bytes(), dim=4).occlusion == 0.75
    facts = face.facts()
    old = {name: facts[name] for name in facts if name not in ("occlusion", "trust")}
    read = StoredFace.from_bytes(vector_bytes(vector) + json.dumps(old).encode(), dim=4)
    assert (read.norm, read.occlusion, read.trust) == (9.0, None, None)
