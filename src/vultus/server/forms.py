"""What is asked with: forms kept in memory, nothing that nobody reads.

A photo that is sent must not lie on the disk in clear. And who writes `groups` where `group` is
taken, or sends a rate in the form and not in the query, must not get another question's answer.
"""

from collections.abc import Collection, Iterable
from typing import Any

from fastapi import HTTPException, Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from vultus.server.problems import ProblemError

_FORM = "multipart/form-data"
_SHOWN, _TOLD = 60, 20


def refuse_unknown(place: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse names that nobody looks at.

    Args:
        place: Where they stand, in a word: ``query`` or ``form``.
        given: Names that came.
        known: Names that are taken.

    Raises:
        ProblemError: 422, if one is not taken.
    """
    unknown = [name for name in dict.fromkeys(given) if name not in known]
    if not unknown:
        return
    taken = ", ".join(sorted(known)) if known else "nothing"
    what = f"is not taken here; the {place} may have: {taken}"
    raise ProblemError(
        422,
        "invalid-input",
        f"{place}: {unknown[0][:_SHOWN]!a} {what}",
        errors=[{"where": f"{place}.{name[:_SHOWN]}", "what": what} for name in unknown[:_TOLD]],
    )


class _InMemory(MultiPartParser):
    """Starlette writes parts of more than a megabyte to temporary files."""

    spool_max_size = 0
    """Never. The guard says how long a request may be, and how many there may be at once."""


class MemoryRequest(Request):
    """A request whose form is read into memory, once."""

    async def _get_form(self, **limits: Any) -> FormData:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self._form is None and kind == _FORM:
            try:
                self._form = await _InMemory(self.headers, self.stream(), **limits).parse()
            except MultiPartException as error:
                raise HTTPException(400, error.message) from error
        return await super()._get_form(**limits)
