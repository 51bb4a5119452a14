"""`vultus gallery key` and `vultus gallery rekey`: what opens a gallery."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions, new_passphrase
from vultus.cli.output import ExitCode, JsonOption, note, print_json, say
from vultus.core.errors import InputError
from vultus.gallery.stores.places import shown

if TYPE_CHECKING:
    from vultus.gallery.security.master_key import MasterKey


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKeyOptions:
    """What is to open the gallery from now on."""

    new_key: Annotated[
        Path | None,
        typer.Option(
            help="Key file of `vultus gallery key new` that opens it from now on.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None
    new_passphrase: Annotated[
        bool, typer.Option("--new-passphrase", help="Ask for a passphrase that does.")
    ] = False
    no_key: Annotated[
        bool,
        typer.Option("--no-key", help="Take the protection away: who has the file can read it."),
    ] = False
    recovery: Annotated[
        bool,
        typer.Option(
            "--recovery",
            help="Print a new recovery key, once; an older one is void.",
        ),
    ] = False

    def check(self, *, deep: bool) -> None:
        """Refuse what contradicts itself.

        Args:
            deep: Whether the gallery's own key is made anew, which the present master key can open.
        """
        if sum((self.new_key is not None, self.new_passphrase, self.no_key)) > 1:
            raise InputError("give one of --new-key, --new-passphrase and --no-key")
        if self.no_key and self.recovery:
            raise InputError("--recovery needs a gallery with a key, --no-key takes it away")
        if not (self.changes or self.recovery or deep):
            raise InputError(
                "say what is to open the gallery: --new-key FILE, --new-passphrase, --no-key, or "
                "--recovery for a recovery key beside its key; or --deep"
            )

    @property
    def changes(self) -> bool:
        """Whether the master key is to be another."""
        return self.new_key is not None or self.new_passphrase or self.no_key

    def master(self) -> "MasterKey | None":
        """The new master key; None for none."""
        from vultus.gallery.security.master_key import read_key_file

        if self.new_passphrase:
            return new_passphrase()
        return None if self.new_key is None else read_key_file(self.new_key)


def new(
    file: Annotated[Path, typer.Argument(help="The key file to make; nothing is replaced.")],
    json: JsonOption = False,
) -> int:
    """Make a key file (mode 0600), which opens a gallery that is made or re-keyed with it.

    Keep a copy of it where neither the gallery nor its backups are: who has both reads everything,
    and without the key nobody reads anything any more.
    """
    from vultus.gallery.security.master_key import new_key_file

    new_key_file(file)
    if json:
        print_json({"key": str(file)})  # its name; the key is shown nowhere
    else:
        say(f"{file}: a new key; keep a copy apart from the gallery and its backups")
    return ExitCode.OK


def rekey(
    file: FileArgument,
    opener: KeyOptions,
    chosen: NewKeyOptions,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Make the gallery's own key anew, too: against somebody who had the old key and a "
            "copy of the file. What opens it stays, unless another is given.",
        ),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Change what opens a gallery: give it a key, another one, none, or a recovery key.

    Only what wraps is written anew. What somebody copied before can still be opened with the key
    that it had then.
    """
    from vultus.gallery.upkeep.rekeying import new_recovery_key
    from vultus.gallery.upkeep.rekeying import rekey as change

    chosen.check(deep=deep)
    key, told = opener.master(), {}
    if deep and not chosen.changes and key is None:
        raise InputError("--deep needs the gallery's key, or --new-key FILE where it has none")
    if chosen.changes or deep:
        new_key = chosen.master() if chosen.changes else key
        done = change(file, new_key, key=key, deep=deep, actor=opener.actor)
        key = new_key
        told = done.to_dict()
        if done.sealed and not done.recovery and not chosen.recovery:
            note("note: no recovery key opens the gallery: without its key all is lost")
    if chosen.recovery:
        if key is None:
            raise InputError(
                "a gallery without a key needs no recovery key; give it --new-key FILE"
            )
        recovery, done = new_recovery_key(file, key=key, actor=opener.actor)
        told = {**told, **done.to_dict(), "recovery_key": recovery.recovery_text()}
    if json:
        print_json(told)
    else:
        say(f"{shown(file)}: {_state(told, chosen)}")
        if "recovery_key" in told:
            say(f"recovery key, shown this once: {told['recovery_key']}")
    return ExitCode.OK


def _state(told: Mapping[str, Any], chosen: NewKeyOptions) -> str:
    """What opens the gallery now."""
    if not told["sealed"]:
        return "readable by who has the file"
    if not chosen.changes:
        return "a recovery key opens it, too" if chosen.recovery else "opened by the key it had"
    return f"opened by its new key{' and its recovery key' if told['recovery'] else ' only'}"
