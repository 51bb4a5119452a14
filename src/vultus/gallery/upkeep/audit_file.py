"""The audit log as a file for other programs."""

import json
from pathlib import Path

from vultus.core.files import writing
from vultus.gallery.security.audit import AuditLog


def write_audit(log: AuditLog, path: str | Path) -> int:
    """Write all entries as lines of JSON to a new file for its owner only.

    Args:
        log: The log; `AuditLog.verify` says whether it is as it was written.
        path: The file to make; nothing is replaced.

    Returns:
        How many entries there are.

    Raises:
        OutputError: If something is at ``path``, or it cannot be written.
        GalleryDamagedError: If an entry cannot be read.
    """
    done = 0
    with writing(Path(path), replace=False, private=True) as stream:
        for logged in log.entries():
            stream.write(json.dumps(logged.to_dict(), ensure_ascii=False).encode() + b"\n")
            done += 1
    return done
