"""A gallery brought to another model: the crops that it keeps are embedded."""

from typing import Any

from vultus.core.errors import InputError
from vultus.gallery.moving.migration import Migration
from vultus.pipeline.migrating import migrate_gallery
from vultus.pipeline.recognizer import Recognizer
from vultus.server.jobs.run import Run

_SHOWN = 1000


def run_migration(run: Run) -> dict[str, Any]:
    """Embed the crops that are not yet; gives how far the gallery has come.

    The gallery goes on with its model: to switch is the operator's, since the service must then be
    started with the other one.
    """
    model = run.options["model"]

    def told(what: str, done: int, total: int) -> None:
        run.tell(what, done, total)
        run.go_on()

    run.tell("loading the model", 0, 0)
    following = Recognizer(embedder=model)
    status = migrate_gallery(following, run.gallery, progress=told)
    if Migration(run.gallery).target() is None:
        raise InputError("the migration was ended meanwhile")
    plain = status.to_dict()
    missing = plain.pop("missing", [])
    # By uid: names are the gallery's to tell, and to erase.
    uids = [run.gallery.person(person["identity"]).uid for person in missing[:_SHOWN]]
    return {**plain, "n_missing": len(missing), "missing": uids}
