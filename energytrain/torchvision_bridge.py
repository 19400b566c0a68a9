"""The only place that imports torchvision: it also loads where torchvision's compiled operators do not fit torch.

PyPI's torchvision is built for CUDA. Beside a CPU torch its `_C` library cannot be loaded, and importing the package
ends in "operator torchvision::nms does not exist", although its models and data sets need none of those operators.
Declaring the two schemas that the package looks up lets the import finish; only the operators themselves (nms,
deform_conv2d, the decoders of torchvision.io) stay unusable. Import this before anything that imports torchvision.
"""

import importlib
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import UsageError

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_OPERATORS = ("nms", "qnms")


def load_torchvision() -> ModuleType:
    """The torchvision module, with `models` and `datasets` imported.

    Raises UsageError where it is not installed or cannot be imported at all.
    """
    try:
        module = _import()
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
        raise UsageError(
            "torchvision is not installed.",
            "Install the torchvision that pairs with your torch: pip install torchvision.",
        ) from error
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        declared = _declare_operators()
        try:
            module = _import()
        except RuntimeError as again:
            raise UsageError(
                f"torchvision cannot be imported beside this torch: {again}.",
                "Install the torchvision that pairs with your torch.",
            ) from again
        # A torch.library.Library withdraws what it declared when it is collected.
        module._energytrain_declared = declared  # type: ignore[attr-defined]
    return module


@lru_cache(maxsize=1)
def load_resnets() -> ModuleType:
    """torchvision's module of ResNets, without the rest of torchvision where nothing of that was imported yet.

    The package imports all its networks and operators, and with them torch's compiler: some seconds. The ResNets need
    none of it. Raises UsageError as `load_torchvision` does, which also takes over where the module cannot stand alone.
    """
    found = importlib.util.find_spec("torchvision")
    if "torchvision" in sys.modules or found is None or found.submodule_search_locations is None:
        return load_torchvision().models.resnet  # type: ignore[no-any-return]
    folders = [Path(folder) for folder in found.submodule_search_locations]
    for name in ("torchvision", "torchvision.models"):
        package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")[1:])) for folder in folders]
        sys.modules[name] = package
    try:
        return importlib.import_module("torchvision.models.resnet")
    except (ImportError, AttributeError, RuntimeError):
        _purge()
        return load_torchvision().models.resnet  # type: ignore[no-any-return]
    finally:
        if "torchvision" in sys.modules and not hasattr(sys.modules["torchvision"], "__file__"):
            _purge()


def _import() -> ModuleType:
    try:
        module = importlib.import_module("torchvision")
        importlib.import_module("torchvision.models")
        importlib.import_module("torchvision.datasets")
    except RuntimeError:
        _purge()
        raise
    return module


def _purge() -> None:
    """Forget a half-imported torchvision: the next import would return it as it is."""
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]


def _declare_operators() -> Any:
    import torch

    try:
        library = torch.library.Library("torchvision", "FRAGMENT")
    except ValueError:
        # torch 1.13 knows no fragments.
        library = torch.library.Library("torchvision", "DEF")
    for operator in _OPERATORS:
        if not hasattr(torch.ops.torchvision, operator):
            library.define(operator + _SIGNATURE)
    return library
