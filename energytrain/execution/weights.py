"""Where a network's first weights come from: fresh, torchvision's pretrained ones, or a file of the user's."""

from pathlib import Path
from typing import Dict, Optional

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import UsageError


def initial_weights(model: torch.nn.Module, init: str, file: Optional[Path], name: str) -> None:
    """Put the asked weights into `model`; a classifier of another size keeps its fresh start."""
    if init == "fresh":
        return
    if file is not None:
        _load_matching(model, read_weights(file), str(file))
        return
    from ..models.imagenet_resnet import pretrained_weights

    _load_matching(model, pretrained_weights(name), f"torchvision's {name}")


def read_weights(file: Path) -> Dict[str, torch.Tensor]:
    """The tensors of a safetensors file; UsageError where it is none."""
    try:
        return dict(load_file(str(file)))
    except (SafetensorError, OSError) as error:
        raise UsageError(f"the weights '{file}' cannot be read: {error}.") from error


def _load_matching(model: torch.nn.Module, weights: Dict[str, torch.Tensor], source: str) -> None:
    own = model.state_dict()
    unlike = [k for k, v in own.items() if k not in weights or weights[k].shape != v.shape]
    heads = [k for k in unlike if k.split(".")[-2] in ("fc", "classifier", "linear")]
    if set(unlike) - set(heads):
        first = sorted(set(unlike) - set(heads))[0]
        raise UsageError(f"the weights of {source} do not fit this network, first at '{first}'.")
    own.update({k: v for k, v in weights.items() if k in own and k not in heads})
    model.load_state_dict(own)
