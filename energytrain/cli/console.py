"""The console that commands print to: as wide as the terminal, and 120 columns where there is none."""

import sys
from pathlib import Path
from typing import Sequence, Tuple

import click
from rich.console import Console

PIPE_WIDTH = 120


def console(stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def say_skipped(skipped: Sequence[Tuple[Path, Exception]]) -> None:
    """Name each folder that could not be read, and why, on standard error."""
    for folder, error in skipped:
        click.echo(f"energytrain: skipped {folder}: {error}", err=True)
