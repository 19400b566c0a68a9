"""The data and the dense network that a specification names: what a run trains first and a plan counts."""

from pathlib import Path
from typing import Optional, Union

from torch import nn

from ..data.catalog import DataBundle, DataInfo, info, load
from ..models.catalog import build
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
