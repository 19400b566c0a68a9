"""energytrain: what a training cost in joules, what the cheaper way would have cost, what accuracy it bought.

The library's public names are found here and loaded when first used, so that neither metering nor `--help` waits for
torch: `measure`, `EarlyBird`, `rebuild`, `LowPrecision`, `load_runs` and `load_model`.
"""

import importlib
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from energytrain.energy.measure import measure as measure
    from energytrain.execution.model_file import load_model as load_model
    from energytrain.precision.low_precision import LowPrecision as LowPrecision
    from energytrain.pruning.early_bird import EarlyBird as EarlyBird
    from energytrain.pruning.rebuild import rebuild as rebuild
    from energytrain.runs.load import load_runs as load_runs

__version__ = "0.1.0"
__all__ = ["EarlyBird", "LowPrecision", "__version__", "load_model", "load_runs", "measure", "rebuild"]

_HOME = {
    "measure": "energytrain.energy.measure",
    "EarlyBird": "energytrain.pruning.early_bird",
    "rebuild": "energytrain.pruning.rebuild",
    "LowPrecision": "energytrain.precision.low_precision",
    "load_runs": "energytrain.runs.load",
    "load_model": "energytrain.execution.model_file",
}


def __getattr__(name: str) -> Any:
    """The public name's object, imported now (PEP 562); AttributeError for a name that is not public."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(__all__))
