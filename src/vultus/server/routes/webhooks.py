"""Webhooks: where the events of a gallery are sent."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path

from vultus.gallery.events.event import check_event_type
from vultus.gallery.events.log import EventLog
from vultus.server.context import Admin, Caller
from vultus.server.fields import After, Cursor, GalleryId, Limit, cursor_after, place_after
from vultus.server.idempotency import material_now
from vultus.server.routing import make_router
from vultus.server.webhooks.addresses import find_target
from vultus.server.webhooks.hooks import Webhook, Webhooks
from vultus.server.webhooks.schemas import (
    Deliveries,
    DeliveryTold,
    TestSent,
    WebhookList,
    WebhookMade,
    WebhookTold,
    WebhookWanted,
)

router = make_router("/v1/galleries/{gallery}/webhooks", "webhooks", 404, 409, 411, 413)

HookId = Annotated[str, Path(max_length=64, description="The webhook's id.")]


@router.get("")
def list_webhooks(caller: Admin, gallery: GalleryId) -> WebhookList:
    """The webhooks of a gallery, without their secrets."""
    caller.gallery(gallery)  # one that is not there is said to be so
    return WebhookList(webhooks=[_told(caller, hook) for hook in _hooks(caller).of(gallery)])


@router.post("", status_code=201)
def make_webhook(caller: Admin, gallery: GalleryId, wanted: WebhookWanted) -> WebhookMade:
    """Make a webhook; the answer has its secret, which is never told again."""
    known, background = caller.gallery(gallery), caller.context.background
    for name in wanted.types or ():
        check_event_type(name, there=EventLog(known).counts)
    find_target(wanted.url, caller.context.settings.webhook_networks)
    hook, secret = background.webhooks.add(
        gallery,
        known,
        wanted.url,
        types=wanted.types,
        names=wanted.names,
        material=material_now("webhook"),
    )
    background.dispatcher.begin(known, hook)
    return WebhookMade(**_told(caller, hook).model_dump(), secret=secret)


@router.get("/{webhook}")
def webhook_told(caller: Admin, gallery: GalleryId, webhook: HookId) -> WebhookTold:
    """One webhook, without its secret."""
    return _told(caller, _hook(caller, gallery, webhook))


@router.delete("/{webhook}", status_code=204)
def delete_webhook(caller: Admin, gallery: GalleryId, webhook: HookId) -> None:
    """Delete a webhook, with the log of what was sent to it."""
    hook = _hook(caller, gallery, webhook)
    _hooks(caller).remove(hook)
    caller.context.background.dispatcher.forget(caller.gallery(gallery), hook)


@router.post("/{webhook}/test")
def test_webhook(caller: Admin, gallery: GalleryId, webhook: HookId) -> TestSent:
    """Send a message of the type `test` now, once, and say what became of it."""
    hook = _hook(caller, gallery, webhook)
    sent = caller.context.background.dispatcher.test(caller.gallery(gallery), hook)
    return TestSent(status=sent.status, error=sent.error, ms=sent.ms)


@router.post("/{webhook}/rotate", status_code=201)
def rotate_secret(caller: Admin, gallery: GalleryId, webhook: HookId) -> WebhookMade:
    """Give a webhook a new secret, told once; for a day the old one signs, too."""
    hook = _hook(caller, gallery, webhook)
    secret = _hooks(caller).rotate(caller.gallery(gallery), hook, material_now("secret"))
    return WebhookMade(**_told(caller, hook).model_dump(), secret=secret)


@router.post("/{webhook}/enable")
def enable_webhook(caller: Admin, gallery: GalleryId, webhook: HookId) -> WebhookTold:
    """Send to a webhook again that failed, at once and from where it was."""
    _hooks(caller).enable(_hook(caller, gallery, webhook))
    return _told(caller, _hook(caller, gallery, webhook))


@router.get("/{webhook}/deliveries")
def read_deliveries(
    caller: Admin,
    gallery: GalleryId,
    webhook: HookId,
    cursor: Cursor = "",
    after: After = "",
    limit: Limit = 100,
) -> Deliveries:
    """What was sent to a webhook, attempt by attempt, the oldest first, page by page."""
    hook, place = _hook(caller, gallery, webhook), place_after("d", after, cursor)
    found = _hooks(caller).deliveries(hook, after=place, limit=limit + 1)
    told = [DeliveryTold(**asdict(delivery)) for delivery in found[:limit]]
    more = told[-1].number if len(found) > limit else None
    return Deliveries(deliveries=told, next=cursor_after("d", more))


def _hooks(caller: Caller) -> Webhooks:
    return caller.context.background.webhooks


def _hook(caller: Caller, gallery: str, webhook: str) -> Webhook:
    caller.gallery(gallery)  # what is not there is said before what is in it
    return _hooks(caller).get(gallery, webhook)


def _told(caller: Caller, hook: Webhook) -> WebhookTold:
    return WebhookTold(
        id=hook.id,
        url=_hooks(caller).url(caller.gallery(hook.gallery), hook),
        types=None if hook.types is None else list(hook.types),
        names=hook.names,
        made_at=_time(hook.made_at),
        failures=hook.failures,
        failing_since=None if hook.failing_since is None else _time(hook.failing_since),
        next_attempt_at=_time(hook.due_at) if hook.failures and hook.disabled is None else None,
        disabled=hook.disabled,
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
