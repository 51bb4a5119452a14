"""Waiting until what was erased is wiped, as a gallery does from change to change."""

import time

from vultus.gallery.stores.base import GalleryStore


def scrubbed(store: GalleryStore, *, within_s: float = 30) -> bool:
    """Whether it was scrubbed in the end.

    On a busy machine the server's own autovacuum is in the way for a while: it holds the table, or
    still sees what was overwritten. A gallery tries again with its next change.
    """
    deadline = time.monotonic() + within_s
    while not (done := store.scrub()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return done
