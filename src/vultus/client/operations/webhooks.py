"""Operations of the service: webhooks. Written by scripts/client_operations.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from vultus.client.call import UNSET, Call, Unset, quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTold:
    """A webhook, without its secret.

    Attributes:
        id: Id.
        url: Url.
        types: Types of events to send; null for all.
        names: Names.
        made_at: Made at.
        failures: Attempts that failed since the last that did not.
        failing_since: Failing since.
        next_attempt_at: When it is tried again, if it failed.
        disabled: Why nothing is sent any more; null while it is.
    """

    id: str
    url: str
    types: tuple[str, ...] | None
    names: bool
    made_at: str
    failures: int
    failing_since: str | None
    next_attempt_at: str | None
    disabled: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookList:
    """The webhooks of a gallery.

    Attributes:
        webhooks: Webhooks.
    """

    webhooks: tuple[WebhookTold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMade:
    """A webhook that was made, or has a new secret.

    Attributes:
        id: Id.
        url: Url.
        types: Types of events to send; null for all.
        names: Names.
        made_at: Made at.
        failures: Attempts that failed since the last that did not.
        failing_since: Failing since.
        next_attempt_at: When it is tried again, if it failed.
        disabled: Why nothing is sent any more; null while it is.
        secret: What signatures are checked by: it is never told again.
    """

    id: str
    url: str
    types: tuple[str, ...] | None
    names: bool
    made_at: str
    failures: int
    failing_since: str | None
    next_attempt_at: str | None
    disabled: str | None
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSent:
    """What became of a test.

    Attributes:
        status: Of the receiver's answer; null if there was none.
        error: Why it failed, or null.
        ms: Ms.
    """

    status: int | None
    error: str | None
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTold:
    """An attempt to send a message.

    Attributes:
        number: Number.
        message: Its webhook-id: the same whenever it is sent again.
        type: Type.
        attempt: Attempt.
        at: At.
        ms: Ms.
        status: Status.
        error: Error.
    """

    number: int
    message: str
    type: str
    attempt: int
    at: str
    ms: int
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Some attempts, the oldest first.

    Attributes:
        deliveries: Deliveries.
        next: The cursor of the next page; null at the end.
    """

    deliveries: tuple[DeliveryTold, ...]
    next: str | None


def list_webhooks(gallery: str) -> Call[WebhookList]:
    """The webhooks of a gallery, without their secrets.

    Args:
        gallery: The gallery's id.
    """
    return Call("GET", f"/v1/galleries/{quoted(gallery)}/webhooks", WebhookList, repeatable=True)


def make_webhook(
    gallery: str,
    *,
    url: str,
    types: Sequence[str] | Unset | None = UNSET,
    names: bool | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Call[WebhookMade]:
    """Make a webhook; the answer has its secret, which is never told again.

    Args:
        gallery: The gallery's id.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
        url: An https address, public unless the operator allows its network.
        types: Types of events to send; null for all.
        names: Whether names of people are sent, not their ids alone.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/webhooks",
        WebhookMade,
        headers={"Idempotency-Key": idempotency_key},
        body={"url": url, "types": types, "names": names},
        keyed=True,
    )


def webhook_told(gallery: str, webhook: str) -> Call[WebhookTold]:
    """One webhook, without its secret.

    Args:
        gallery: The gallery's id.
        webhook: The webhook's id.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/webhooks/{quoted(webhook)}",
        WebhookTold,
        repeatable=True,
    )


def delete_webhook(gallery: str, webhook: str) -> Call[None]:
    """Delete a webhook, with the log of what was sent to it.

    Args:
        gallery: The gallery's id.
        webhook: The webhook's id.
    """
    return Call(
        "DELETE",
        f"/v1/galleries/{quoted(gallery)}/webhooks/{quoted(webhook)}",
        type(None),
        repeatable=True,
    )


def test_webhook(gallery: str, webhook: str) -> Call[TestSent]:
    """Send a message of the type `test` now, once, and say what became of it.

    Args:
        gallery: The gallery's id.
        webhook: The webhook's id.
    """
    return Call(
        "POST", f"/v1/galleries/{quoted(gallery)}/webhooks/{quoted(webhook)}/test", TestSent
    )


def rotate_secret(
    gallery: str, webhook: str, *, idempotency_key: str | Unset = UNSET
) -> Call[WebhookMade]:
    """Give a webhook a new secret, told once; for a day the old one signs, too.

    Args:
        gallery: The gallery's id.
        webhook: The webhook's id.
        idempotency_key: Chosen by who asks: asked again with it, this is done once, and the first answer comes again.
    """
    return Call(
        "POST",
        f"/v1/galleries/{quoted(gallery)}/webhooks/{quoted(webhook)}/rotate",
        WebhookMade,
        headers={"Idempotency-Key": idempotency_key},
        keyed=True,
    )


def enable_webhook(gallery: str, webhook: str) -> Call[WebhookTold]:
    """Send to a webhook again that failed, at once and from where it was.

    Args:
        gallery: The gallery's id.
        webhook: The webhook's id.
    """
    return Call(
        "POST", f"/v1/galleries/{quoted(gallery)}/webhooks/{quoted(webhook)}/enable", WebhookTold
    )


def read_deliveries(
    gallery: str,
    webhook: str,
    *,
    cursor: str | Unset = UNSET,
    after: str | Unset = UNSET,
    limit: int | Unset = UNSET,
) -> Call[Deliveries]:
    """What was sent to a webhook, attempt by attempt, the oldest first, page by page.

    Args:
        gallery: The gallery's id.
        webhook: The webhook's id.
        cursor: `next` of the page before; empty for the first.
        after: Begin after this: the position of one, or `next` of a page.
        limit: So many at most.
    """
    return Call(
        "GET",
        f"/v1/galleries/{quoted(gallery)}/webhooks/{quoted(webhook)}/deliveries",
        Deliveries,
        query={"cursor": cursor, "after": after, "limit": limit},
        repeatable=True,
    )
