from vultus.core.text import did_you_mean


def test_nothing_near_means_no_suggestion() -> None:
    assert did_you_mean("xyzzy", ["mean", "std"]) == ""
