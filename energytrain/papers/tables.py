"""What the papers printed, as data: each table is a CSV file whose first lines say where it is from.

A row's `flag` names a cell and says, by arithmetic on other cells, why it cannot be right; it is None where nothing
speaks against the row. Such cells are shown and never fitted to. What concerns a table as a whole is in its notes.
"""

import csv
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Tuple, Union

from ..errors import UsageError, unknown

Cell = Union[int, float, str, None]
Row = Dict[str, Cell]

FOLDER = Path(__file__).resolve().parent / "tables"


def paper_tables() -> Dict[str, str]:
    """The titles of all tables by their names."""
    return {name: _header(FOLDER / f"{name}.csv")["title"][0] for name in _names()}


def paper_table(name: str) -> List[Row]:
    """The rows of a table, in the paper's order; a column's cells are numbers where all of them are, else text.

    An empty cell is None. Raises UsageError for a name that is not known.

    >>> row = paper_table("eb-table2-improvements")[3]
    >>> row["model"], row["dataset"], row["prune_ratio"], row["energy_ratio"]
    ('VGG16', 'CIFAR-10', 0.3, 6.6)
    >>> row["flag"]
    "energy_ratio: the least energy of a rival is ThiNet's, 298.0 / 56.1 = 5.3"
    """
    with _path(name).open(encoding="utf-8", newline="") as file:
        columns, *lines = csv.reader(line for line in file if not line.startswith("#"))
    typed = [_column([line[index] for line in lines]) for index in range(len(columns))]
    return [dict(zip(columns, cells)) for cells in zip(*typed)]


def paper_source(name: str) -> str:
    """The paper that printed a table, and where in it. Raises UsageError for a name that is not known."""
    header = _header(_path(name))
    return f"{header['paper'][0]}: {header['place'][0]}"


def paper_notes(name: str) -> List[str]:
    """What is to be known of a table as a whole. Raises UsageError for a name that is not known."""
    return _header(_path(name)).get("note", [])


def _names() -> List[str]:
    names = sorted(path.stem for path in FOLDER.glob("*.csv"))
    if not names:
        raise UsageError("this installation of energytrain has no tables of the papers.", "Install energytrain again.")
    return names


def _path(name: str) -> Path:
    if name not in _names():
        raise unknown("table", name, _names())
    return FOLDER / f"{name}.csv"


def _header(path: Path) -> Dict[str, List[str]]:
    """The lines `# key: text` by key."""
    header: Dict[str, List[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            key, text = line[1:].split(":", 1)
            header.setdefault(key.strip(), []).append(text.strip())
    return header


def _column(texts: List[str]) -> Tuple[Cell, ...]:
    """The cells of one column, all of them whole numbers, all fractions, or all text."""
    kinds: Iterable[Callable[[str], Cell]] = (int, float)
    for kind in kinds:
        try:
            return tuple(_typed(text, kind) for text in texts)
        except ValueError:
            continue
    return tuple(text or None for text in texts)


def _typed(text: str, kind: Callable[[str], Cell]) -> Optional[Cell]:
    return kind(text) if text else None
