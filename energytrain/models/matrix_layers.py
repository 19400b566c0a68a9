"""The layers that multiply matrices, in the order in which a network registers them: convolutions and linear layers."""

from typing import Dict

from torch import nn
from torch.nn.modules.conv import _ConvNd


def matrix_layers(model: nn.Module) -> Dict[str, nn.Module]:
    """Every convolution and linear layer by its name; the last one is the one whose output the loss sees."""
    return {name: module for name, module in model.named_modules() if isinstance(module, (_ConvNd, nn.Linear))}
