"""Which options of `energytrain report` go together, and what format they ask for."""

from pathlib import Path
from typing import Optional, Sequence

# As in reports.tables, which is not imported for --help.
FORMS = ("runs", "table2", "table3", "phases", "layers")
FORMATS = ("terminal", "markdown", "csv", "json", "latex", "html")
SUFFIXES = {".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex", ".html": "html", ".txt": "terminal"}


def format_asked_for(
    form: Optional[str], format_: Optional[str], output: Optional[Path], as_json: bool, compare: bool
) -> Optional[str]:
    """The format that is asked for, None where none is."""
    from ..errors import UsageError

    asked = format_ or ("json" if as_json and (form or compare or output) else None)
    if output is not None and asked is None:
        asked = SUFFIXES.get(output.suffix.lower())
        if asked is None:
            raise UsageError(
                f"the name of '{output}' does not tell a format.",
                f"Let it end in {', '.join(SUFFIXES)}, or give --format.",
            )
    if as_json and format_ not in (None, "json"):
        raise UsageError(f"--json and --format {format_} ask for two formats.", "Leave one out.")
    if as_json and output is not None and SUFFIXES.get(output.suffix.lower(), "json") != "json":
        raise UsageError(f"--json and the name '{output}' ask for two formats.", "Leave --json out.")
    return asked


def refuse(
    form: Optional[str],
    written_as: Optional[str],
    published: bool,
    margin: Optional[float],
    target: Optional[float],
    bill: str,
    distances: bool,
    details: Sequence[str],
    drawn: Optional[Path],
) -> None:
    """An option that would have no effect is a mistake."""
    from ..errors import UsageError

    shown = form or ("runs" if written_as else None)
    for given, name, forms in (
        (published, "--published", ("table2", "table3")),
        (margin is not None, "--margin", ("table2", "table3")),
        (target is not None, "--target-accuracy", ("runs",)),
    ):
        if given and shown not in forms:
            raise UsageError(f"{name} has no effect here.", f"Give --form {' or --form '.join(forms)} with it.")
    if bill != "as-run" and shown is not None:
        raise UsageError("--bill is of the plain report.", "Leave out --form, --format and --output.")
    if distances and (shown is not None or drawn):
        raise UsageError("--distances is a report of its own.", "Leave out the other forms.")
    if details and drawn is None:
        raise UsageError("--details is of the page and the figures.", "Give --html FILE or --figures DIR with it.")
