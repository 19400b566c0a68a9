"""Where a run lives and how it is treated: everything about it that is not part of its identity."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional


@dataclass(frozen=True)
class Budget:
    """Stop before this much is spent; the run can be continued."""

    joules: Optional[float] = None
    seconds: Optional[float] = None


@dataclass(frozen=True)
class Settings:
    """baseline: seconds of each idle baseline; None for the default, 0 for none."""

    folder: Path
    data_dir: Optional[Path] = None
    download: bool = False
    ticket_file: Optional[Path] = None
    init_file: Optional[Path] = None
    budget: Budget = Budget()
    fresh: bool = False
    accept_changes: bool = False
    baseline: Optional[float] = None
