"""The options of all commands that open a gallery: its key, and who acts."""

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vultus.cli.output import note
from vultus.core.errors import ConfigError, InputError
from vultus.gallery.stores.places import may_be_gallery, shown

if TYPE_CHECKING:
    from vultus.gallery.gallery import Gallery
    from vultus.gallery.security.master_key import MasterKey
    from vultus.pipeline.recognizer import Recognizer

FileArgument = Annotated[
    Path,
    typer.Argument(
        help="The gallery's file, or postgresql://[USER@]HOST[:PORT]/DATABASE/NAME.", metavar="FILE"
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockOptions:
    """What opens a sealed gallery."""

    key: Annotated[
        Path | None,
        typer.Option(
            help="The gallery's key file, if it is sealed; else $VULTUS_GALLERY_KEY, if set.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase",
            help="Ask for the gallery's passphrase or recovery key; without a terminal, a line of "
            "stdin.",
        ),
    ] = False

    def master(self) -> "MasterKey | None":
        """The key that is given: by option, else by the environment; None if there is none."""
        from vultus.gallery.security.master_key import key_from_environment, read_key_file

        if self.key is not None and self.passphrase:
            raise InputError("--key and --passphrase cannot both open a gallery; give one")
        if self.passphrase:
            return asked_key()
        return key_from_environment() if self.key is None else read_key_file(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions(UnlockOptions):
    """What opens a sealed gallery, and who acts."""

    actor: Annotated[
        str | None,
        typer.Option(
            help="Who acts, for the audit log; else the name of the user.", show_default=False
        ),
    ] = None

    def open(self, file: Path) -> "Gallery":
        """A gallery that is there."""
        from vultus.gallery.gallery import Gallery

        check_there(file)
        return Gallery.open(file, key=self.master(), actor=self.actor)

    def open_or_make(self, file: Path, recognizer: "Recognizer") -> "Gallery":
        """A gallery of a model's embeddings, made where there is none."""
        from vultus.gallery.stores.opening import is_there

        made = not is_there(file)
        key = new_passphrase() if made and self.passphrase else self.master()
        gallery = recognizer.open_gallery(file, key=key, actor=self.actor)
        if made and key is None:
            note(
                f"note: {shown(file)} is not sealed, who can read it knows its people; "
                "`vultus gallery rekey` gives it a key"
            )
        return gallery


def check_there(file: Path) -> None:
    """Refuse a file that is not there; whether a gallery is in a database, opening it tells.

    Raises:
        InputError: If there is none.
    """
    if not may_be_gallery(file):
        raise InputError(f"there is no gallery {shown(file)}; `vultus gallery enroll` makes one")


def asked_key() -> "MasterKey":
    """A passphrase, or the recovery key that was printed, from whoever is asked."""
    from vultus.gallery.security.master_key import MasterKey

    text = ask("passphrase or recovery key")
    try:
        found = MasterKey.parse(text, source="what was typed")
    except ConfigError:
        found = None
    if found is not None and found.kind == "recovery":
        return found
    return MasterKey.from_passphrase(text)


def new_passphrase() -> "MasterKey":
    """A passphrase that is being chosen, typed twice."""
    from vultus.gallery.security.master_key import MasterKey

    text = ask("new passphrase")
    master = MasterKey.from_passphrase(text, new=True)
    if ask("the same again") != text:
        raise InputError("the two passphrases differ; nothing was changed")
    return master


def ask(what: str) -> str:
    """A line that is not shown; without a terminal, a line of stdin."""
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass.getpass(f"{what}: ")
    line = "" if sys.stdin is None else sys.stdin.readline()
    if not line:
        raise InputError(f"there is no terminal to ask for: {what}; and no line of stdin")
    return line.rstrip("\r\n")
