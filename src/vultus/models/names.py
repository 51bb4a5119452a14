"""What a model, or a committee of models, can be called."""

import re

_MODEL = r"[a-z0-9][a-z0-9._-]{0,63}"
_MEMBER = rf"{_MODEL}(?:@[0-9.]+)?"
_MODEL_NAME = re.compile(_MODEL)
_COMMITTEE_NAME = re.compile(rf"{_MEMBER}(?:\+{_MEMBER}){{1,7}}")
_LONGEST = 200  # it is a folder's name in the store, too


def is_model_name(name: str) -> bool:
    """Whether a model could have this name; such a name is also safe as a folder's name."""
    return _MODEL_NAME.fullmatch(name) is not None


def is_committee(name: str) -> bool:
    """Whether a name is meant to be that of a committee."""
    return "+" in name


def is_committee_name(name: str) -> bool:
    """Whether a committee could have this name; such a name is also safe as a folder's name."""
    return len(name) <= _LONGEST and _COMMITTEE_NAME.fullmatch(name) is not None
