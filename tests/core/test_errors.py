import inspect

from vultus.core import errors

DEFINED = {
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.VultusError)
}


def test_every_error_is_also_a_builtin_kind() -> None:
    builtin = (ValueError, LookupError, RuntimeError, ImportError)
    for name in DEFINED - {"VultusError"}:
        assert issubclass(getattr(errors, name), builtin), name


def test_the_tree_in_the_docstring_names_every_error() -> None:
    assert errors.__doc__ is not None
    for name in DEFINED:
        assert name in errors.__doc__, name
