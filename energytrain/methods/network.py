"""The data and the dense network that a specification names: what a run trains first and a plan counts."""

from pathlib import Path
from typing import Any, Dict, Hashable, Mapping, Optional, Tuple, Union

from torch import nn
from torch.overrides import TorchFunctionMode

from ..data.catalog import DataBundle, DataInfo, info, load
from ..models.catalog import build
from ..models.units import units_of
from ..pruning.rebuild import shrink
from ..runs.spec import RunSpec


def dense_network(spec: RunSpec, data: DataInfo) -> nn.Module:
    """The network of `spec` for the images and classes of `data`, with fresh weights from torch's random state."""
    return build(
        spec.model,
        classes=data.classes,
        channels=data.channels,
        size=data.size,
        width=spec.width,
        bn_start=spec.bn_start,
        shortcut=spec.shortcut,
    )


_DRAWING = ("normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_")


class _Undrawn(TorchFunctionMode):
    """Random numbers are not drawn: a tensor stays what its memory held. Drawing, and even touching, the weights of a
    large network takes longer than building it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__name__", "") in _DRAWING:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def counted_network(spec: RunSpec, data: DataInfo) -> nn.Module:
    """`dense_network` to be counted and not to be trained: its weights are no numbers that mean anything."""
    with _Undrawn():
        return dense_network(spec, data)


class Networks:
    """The networks of many plans, each built once and then only counted: nothing may train or cut them."""

    def __init__(self) -> None:
        self._dense: Dict[Hashable, nn.Module] = {}
        self._shrunk: Dict[Hashable, Tuple[nn.Module, nn.Module]] = {}

    def dense(self, spec: RunSpec, data: DataInfo) -> nn.Module:
        """`dense_network`."""
        size = (data.classes, data.channels, data.size)
        key = (spec.model, spec.width, spec.shortcut, spec.bn_start, *size)
        if key not in self._dense:
            self._dense[key] = counted_network(spec, data)
        return self._dense[key]

    def shrunk(self, model: nn.Module, kept: Mapping[str, int]) -> nn.Module:
        """`model`, one of these, with so many channels of each unit; itself where that is all of them."""
        if all(unit.channels == kept.get(unit.name, unit.channels) for unit in units_of(model)):
            return model
        key = (id(model), tuple(kept.items()))
        if key not in self._shrunk:
            self._shrunk[key] = (model, shrink(model, kept))  # the first stays, and with it its id
        return self._shrunk[key][1]


def data_info(spec: RunSpec, data_dir: Optional[Union[str, Path]]) -> DataInfo:
    """What `load_data` will hold, without reading it."""
    return info(
        spec.dataset, data_dir=data_dir, limit=spec.limit, validation=spec.validation, image_size=spec.image_size
    )


def load_data(spec: RunSpec, data_dir: Optional[Path], download: bool) -> DataBundle:
    """The data of `spec`, on the device that it trains on where they are small enough to live there."""
    return load(
        spec.dataset,
        data_dir=data_dir,
        download=download,
        limit=spec.limit,
        validation=spec.validation,
        seed=spec.seed,
        device=spec.compute,
        image_size=spec.image_size,
        augment=spec.augment,
        label_seed=spec.seed if spec.random_labels else None,
    )
