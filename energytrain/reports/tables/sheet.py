"""A table as plain data: what people read in a cell beside what a program reads, whatever it is then written as."""

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple, Union

Value = Union[int, float, str, None]


@dataclass(frozen=True)
class Column:
    """`key` is its name for programs, with the unit ("useful_joules"); `title` for people ("useful energy").

    joins: for people its cells continue those of the column before it, line by line, after these characters (" to ");
    they see one column, with the title of the first.
    """

    key: str
    title: str
    numeric: bool = True
    joins: str = ""


@dataclass(frozen=True)
class Cell:
    """`text` for people; `value` for programs, in the unit of the column's key, None where there is none. more: what
    belongs to the value, by its own names with units (low, high, provenance, the points of the seeds, ...)."""

    text: str
    value: Value = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One cell a column. kind: "run", "group", "improvement", "published", "total"; opens: a gap stands above it."""

    cells: Tuple[Cell, ...]
    kind: str = "run"
    opens: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table. `key` names it for programs; `notes` are whole sentences that stand below it."""

    key: str
    title: str
    columns: Tuple[Column, ...]
    rows: Tuple[Row, ...]
    notes: Tuple[str, ...] = ()

    def column(self, key: str) -> Optional[int]:
        """The position of the column named `key`, None where there is none."""
        return next((at for at, column in enumerate(self.columns) if column.key == key), None)
