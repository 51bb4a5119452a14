"""How often the slow tests of galleries try: ``VULTUS_ROUNDS=1000`` asks for a thousand."""

import os


def rounds(default: int) -> int:
    """How many rounds to run; the default keeps a test to a minute or so."""
    return int(os.environ.get("VULTUS_ROUNDS", default))
