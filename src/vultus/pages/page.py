"""Pages from templates: one look, everything inside, and every name from outside escaped."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vultus.core.files import writing

if TYPE_CHECKING:
    from jinja2 import Environment

PRIVATE = (
    "This page holds photos of people and says who they are. Keep it as you keep the photos "
    "themselves, pass it on only to those who may see them, and delete it with them."
)


@cache
def page_environment() -> "Environment":
    """The templates: what they show is escaped, and a value that they lack is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("vultus.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(path: str | Path, template: str, values: Mapping[str, object]) -> None:
    """Write a page into one file, whole or not at all; a file that is there is replaced.

    The page is written while it is made, so that iterators among the values may be longer than
    memory.

    Args:
        path: The file, for its owner only, as it may show photos; its folder must exist.
        template: Name of one of the templates that extend ``base.html.j2``.
        values: What it shows; ``title``, ``footer`` and ``privacy`` (may be empty) always.

    Raises:
        InputError: If the folder does not exist, or the disk refuses.
    """
    path = Path(path)
    page = page_environment().get_template(template)
    with writing(path, private=True) as stream:
        # Names of files that are not UTF-8 hold lone surrogates, which no encoding takes.
        stream.writelines(text.encode(errors="backslashreplace") for text in page.generate(values))
