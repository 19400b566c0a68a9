"""The dense network that a specification names: what a run trains first and a plan counts."""

from torch import nn

from ..data.catalog import DataInfo
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
