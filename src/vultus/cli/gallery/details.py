"""What is noted of a person, as options."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.gallery.people.details import PersonDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailOptions:
    """What to note of a person; what is not given stays as it is."""

    external_id: Annotated[
        str | None, typer.Option(help="The person's id elsewhere.", show_default=False)
    ] = None
    group: Annotated[
        list[str] | None,
        typer.Option(
            help="A group that the person is in; again for more. Replaces the groups noted before.",
            show_default=False,
        ),
    ] = None
    metadata: Annotated[
        str | None,
        typer.Option(
            help="Anything else as JSON: '{\"desk\": 4}'.", metavar="JSON", show_default=False
        ),
    ] = None
    consent: Annotated[
        str | None,
        typer.Option(
            help="What the person agreed to, in words; noted as given now.",
            metavar="PURPOSE",
            show_default=False,
        ),
    ] = None
    consent_until: Annotated[
        str | None,
        typer.Option(
            help="Until when that holds (ISO 8601); the person is to be erased then.",
            metavar="TIME",
            show_default=False,
        ),
    ] = None
    retain_until: Annotated[
        str | None,
        typer.Option(
            help='When the person is to be erased (ISO 8601); "" for never.',
            metavar="TIME",
            show_default=False,
        ),
    ] = None

    def details(self) -> "PersonDetails | None":
        """What was given; None where nothing was."""
        from vultus.gallery.people.details import Consent, PersonDetails, now

        if self.consent_until is not None and self.consent is None:
            raise InputError("--consent-until needs --consent, which says what was agreed to")
        consent = None
        if self.consent is not None:
            consent = Consent(given_at=now(), purpose=self.consent, until=self.consent_until)
        details = PersonDetails(
            external_id=self.external_id,
            metadata=None if self.metadata is None else _mapping(self.metadata),
            groups=self.group,
            consent=consent,
            retain_until=self.retain_until,
        )
        return None if details == PersonDetails() else details


def _mapping(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"--metadata must be JSON, got {text!r} ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"--metadata must be a JSON object like {{}}, got {text!r}")
    return value
