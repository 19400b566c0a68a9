"""Shows sheets, on a terminal, into a pipe or in a file: what `report` and `plan` have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional, Sequence

import click

if TYPE_CHECKING:
    from ..reports.tables.sheet import Sheet


def show_sheets(found: "Sequence[Sheet]", written_as: str, output: Optional[Path]) -> None:
    """Sheets on standard output, as wide as the terminal is; in a file or a pipe as wide as they are."""
    from ..reports.tables.written import notes_apart, written
    from .console import console

    if output is not None:
        _write(output, written(found, written_as))
    elif written_as == "terminal" and console().is_terminal:
        from ..reports.tables.as_terminal import as_terminal

        for number, sheet in enumerate(found):
            console().print(*[""] * bool(number), as_terminal(sheet, console().width), sep="\n")
    else:
        click.echo(written(found, written_as), nl=False)
    for note in notes_apart(found, written_as):
        click.echo(f"note: {note}", err=True)


def _write(path: Path, text: str) -> None:
    from ..atomic import write_bytes
    from ..errors import UsageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, text.encode())
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror or error}.", "Name another file.") from error
