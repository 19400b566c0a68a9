"""The console that commands print to: as wide as the terminal, and 160 columns where there is none."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Sequence, Tuple

import click
from rich.console import Console

if TYPE_CHECKING:
    from ..reports.tables.sheet import Sheet

PIPE_WIDTH = 160


class Patient(Console):
    """A console whose reader may go away (`| head`): what is left to say goes nowhere, and the work goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console(stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Patient(file=stream, width=width, highlight=False, soft_wrap=False)


def show_table(sheet: "Sheet") -> None:
    """On a terminal as wide as that is; into a pipe as wide as the table is."""
    from ..reports.tables.as_terminal import as_terminal, as_text

    out = console()
    if out.is_terminal:
        out.print(as_terminal(sheet, out.width))
    else:
        click.echo(as_text(sheet), nl=False)


def say_skipped(skipped: Sequence[Tuple[Path, Exception]]) -> None:
    """Name each folder that could not be read, and why, on standard error; of several also how many they are."""
    for folder, error in skipped:
        click.echo(f"energytrain: skipped {folder}: {error}", err=True)
    if len(skipped) > 1:
        click.echo(f"energytrain: {len(skipped)} folders were skipped.", err=True)
