"""Monitors: cameras, streams and films that are watched for a gallery."""

from dataclasses import replace
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel

from vultus.server.context import Admin, Caller, Operator, Reader
from vultus.server.fields import GalleryId
from vultus.server.idempotency import material_now
from vultus.server.monitors.monitors import Monitors
from vultus.server.monitors.schemas import (
    MonitorChange,
    MonitorList,
    MonitorTold,
    MonitorWanted,
    Present,
)
from vultus.server.monitors.sight import Sight, picture
from vultus.server.monitors.store import Monitor, MonitorSettings
from vultus.server.monitors.telling import (
    monitor_told,
    of_those_enrolled,
    present_now,
    watched_by,
)
from vultus.server.problems import ProblemError, responses
from vultus.server.routing import make_router
from vultus.server.tags import IfMatch, check_match, tag_of

router = make_router("/v1/galleries/{gallery}/monitors", "monitors", 404, 409, 411, 413)

MonitorId = Annotated[str, Path(max_length=64, description="The monitor's id.")]
Longest = Annotated[int, Query(ge=64, le=4096, description="Pixels of its longer side, at most.")]
Marked = Annotated[bool, Query(description="With boxes and names.")]


@router.get("")
def list_monitors(caller: Reader, gallery: GalleryId) -> MonitorList:
    """The monitors of a gallery, and how they are."""
    known = caller.gallery(gallery)
    monitors = _monitors(caller)
    found = monitors.store.of(gallery, known)
    return MonitorList(monitors=[monitor_told(monitors, monitor) for monitor in found])


@router.post("", status_code=201)
def make_monitor(caller: Admin, gallery: GalleryId, wanted: MonitorWanted) -> MonitorTold:
    """Make a monitor; it is started by an operation of its own."""
    told = wanted.model_dump(exclude={"name", "address"})
    made = _monitors(caller).add(
        gallery,
        caller.gallery(gallery),
        name=wanted.name,
        address=wanted.address,
        settings=MonitorSettings(**told),
        material=material_now("monitor"),
    )
    return monitor_told(_monitors(caller), made)


@router.get("/{monitor}")
def read_monitor(
    caller: Reader, gallery: GalleryId, monitor: MonitorId, response: Response
) -> MonitorTold:
    """A monitor, and how it is; the header ETag names what can be changed of it."""
    found = _monitor(caller, gallery, monitor)
    response.headers["ETag"] = tag_of(_State.of(found))
    return monitor_told(_monitors(caller), found)


@router.patch("/{monitor}", responses=responses(412))
def change_monitor(
    caller: Admin,
    gallery: GalleryId,
    monitor: MonitorId,
    wanted: MonitorChange,
    response: Response,
    if_match: IfMatch = None,
) -> MonitorTold:
    """Change what a monitor watches, or how; one that runs begins anew.

    With `If-Match`, the `ETag` of what was read, nobody overwrites changes that they did not see.
    """
    found = _monitor(caller, gallery, monitor)
    check_match(if_match, _State.of(found), needed=False)
    told = wanted.model_dump(exclude={"address"}, exclude_unset=True)
    changed = _monitors(caller).change(
        caller.gallery(gallery),
        found,
        address=wanted.address,
        settings=replace(found.settings, **told),
    )
    response.headers["ETag"] = tag_of(_State.of(changed))
    return monitor_told(_monitors(caller), changed)


@router.delete("/{monitor}", status_code=204)
def delete_monitor(caller: Admin, gallery: GalleryId, monitor: MonitorId) -> None:
    """Stop and delete a monitor; its events stay."""
    found = _monitor(caller, gallery, monitor)
    _monitors(caller).remove(caller.gallery(gallery), found)


@router.post("/{monitor}/start")
def start_monitor(caller: Operator, gallery: GalleryId, monitor: MonitorId) -> MonitorTold:
    """Have a monitor run, until it is stopped; a film that came to its end is watched anew."""
    found = _monitor(caller, gallery, monitor)
    _monitors(caller).begin(caller.gallery(gallery), found)
    return monitor_told(_monitors(caller), _monitor(caller, gallery, monitor))


@router.post("/{monitor}/stop")
def stop_monitor(caller: Operator, gallery: GalleryId, monitor: MonitorId) -> MonitorTold:
    """Have a monitor end; who is here is told to have left. A film goes on from there."""
    found = _monitor(caller, gallery, monitor)
    _monitors(caller).end(caller.gallery(gallery), found)
    return monitor_told(_monitors(caller), _monitor(caller, gallery, monitor))


@router.get("/{monitor}/present")
def read_present(caller: Operator, gallery: GalleryId, monitor: MonitorId) -> Present:
    """Who is before a monitor now, and since when."""
    found = _monitor(caller, gallery, monitor)
    return present_now(_monitors(caller), caller.gallery(gallery), found)


@router.get(
    "/{monitor}/preview",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "The newest frame."}},
)
def preview(
    caller: Operator,
    gallery: GalleryId,
    monitor: MonitorId,
    longest: Longest = 960,
    marked: Marked = True,
) -> Response:
    """The newest frame of a monitor that runs; it is stored nowhere."""
    found = _monitor(caller, gallery, monitor)
    sight = newest_sight(_monitors(caller), found)
    if sight is None and (other := watched_by(_monitors(caller), found)) is not None:
        raise ProblemError(
            409, "no-picture", f"{other} of this service watches, and has the picture; ask there"
        )
    if sight is None:
        raise ProblemError(409, "no-picture", "the monitor does not run, or has no picture yet")
    if marked:
        sight = of_those_enrolled(caller.gallery(gallery), sight)
    return Response(picture(sight, longest=longest, marked=marked), media_type="image/jpeg")


def newest_sight(monitors: Monitors, monitor: Monitor) -> Sight | None:
    """The newest frame of a monitor that sees something now."""
    watching = monitors.watching(monitor)
    if watching is None or watching.state.name != "running":
        return None
    return watching.sights.newest


class _State(BaseModel):
    """What the tag of a monitor is made of: not its address, which nobody is to guess by it."""

    id: str
    version: int

    @staticmethod
    def of(monitor: Monitor) -> "_State":
        return _State(id=monitor.id, version=monitor.version)


def _monitors(caller: Caller) -> Monitors:
    return caller.context.background.monitors


def _monitor(caller: Caller, gallery: str, monitor: str) -> Monitor:
    known = caller.gallery(gallery)  # what is not there is said before what is in it
    return _monitors(caller).store.get(gallery, known, monitor)
