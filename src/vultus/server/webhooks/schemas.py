"""What the service tells of webhooks."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from vultus.server.fields import EventType

_TYPES = "Types of events to send; null for all."


class WebhookWanted(BaseModel):
    """A webhook that is to be made."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="An https address, public unless the operator allows its network.",
        examples=["https://example.org/vultus"],
    )
    types: list[EventType] | None = Field(None, description=_TYPES, max_length=100)
    names: bool = Field(False, description="Whether names of people are sent, not their ids alone.")


class WebhookTold(BaseModel):
    """A webhook, without its secret."""

    id: str
    url: str
    types: list[str] | None = Field(description=_TYPES)
    names: bool
    made_at: str
    failures: int = Field(description="Attempts that failed since the last that did not.")
    failing_since: str | None
    next_attempt_at: str | None = Field(description="When it is tried again, if it failed.")
    disabled: str | None = Field(description="Why nothing is sent any more; null while it is.")


class WebhookMade(WebhookTold):
    """A webhook that was made, or has a new secret."""

    secret: str = Field(description="What signatures are checked by: it is never told again.")


class WebhookList(BaseModel):
    """The webhooks of a gallery."""

    webhooks: list[WebhookTold]


class TestSent(BaseModel):
    """What became of a test."""

    __test__ = False

    status: int | None = Field(description="Of the receiver's answer; null if there was none.")
    error: str | None = Field(description="Why it failed, or null.")
    ms: int


class DeliveryTold(BaseModel):
    """An attempt to send a message."""

    number: int
    message: str = Field(description="Its webhook-id: the same whenever it is sent again.")
    type: str
    attempt: int
    at: str
    ms: int
    status: int | None
    error: str | None


class Deliveries(BaseModel):
    """Some attempts, the oldest first."""

    deliveries: list[DeliveryTold]
    next: str | None = Field(description="The cursor of the next page; null at the end.")
