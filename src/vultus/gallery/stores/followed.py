"""What a store offers that tells of the changes of others, instead of being asked."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable


class Following(Protocol):
    """Something that goes on until it is closed."""

    def close(self) -> None:
        """Stop; closing twice is fine."""


@runtime_checkable
class FollowedStore(Protocol):
    """A store that tells when somebody changed the gallery, perhaps on another machine."""

    def follow(self, on_change: Callable[[], object]) -> Following:
        """Call something after changes, in another thread; that one is told is not relied on."""
