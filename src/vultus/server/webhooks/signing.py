"""Signatures of Standard Webhooks (standardwebhooks.com, version 1): HMAC-SHA-256."""

import base64
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"
_BYTES = 32


def new_secret(material: bytes | None = None) -> str:
    """A secret that a receiver checks signatures by.

    Args:
        material: 32 secret, random bytes or more that it is made of; None for new ones.
    """
    made_of = secrets.token_bytes(_BYTES) if material is None else material[:_BYTES]
    return _PREFIX + base64.b64encode(made_of).decode()


def signed_headers(
    message_id: str, body: bytes, *, at: int, secrets_text: Sequence[str]
) -> dict[str, str]:
    """The headers that tell whose a message is.

    Args:
        message_id: Of the message; the same whenever it is sent again.
        body: What is sent.
        at: When, in seconds since 1970.
        secrets_text: As `new_secret` gave them; each signs.
    """
    signed = f"{message_id}.{at}.".encode() + body
    signatures = (
        "v1," + base64.b64encode(hmac.digest(_key(text), signed, "sha256")).decode()
        for text in secrets_text
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_PREFIX))
