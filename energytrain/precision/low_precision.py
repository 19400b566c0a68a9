"""Training in block floating point: 8 bits for weights, gradients, momentum, activations and errors.

As in the released code of Early-Bird Train's 8-bit retraining (You et al. 2020, Table 2), which is SWALP's (Yang et al.
2019, Algorithm 2): every number is rounded stochastically, with one exponent for each output channel of weights,
gradients and momentum (of normalisations: for each scale), and for each sample of activations and errors. A step
quantises the gradients, updates, quantises the weights, then the momentum. Activations and errors are quantised where
a convolution or linear layer ends; the input image, the outputs of normalisations and activation functions and the
last layer's output stay fp32. So does what a convolution reads after a normalisation: a multiplier of 8 bits would have
to round it once more.

What the released code does not do: weights are rounded to the nearest before the first step, so that no step runs in
fp32, and in evaluation activations are, so that judging a network twice gives the same.
"""

from typing import Any, Dict, List, Optional, Tuple

import torch
from torch import nn

from ..models.matrix_layers import matrix_layers
from .block_float import boundary, quantise_all


class LowPrecision:
    """While entered, `model` computes in block floating point, and `step` is the optimiser's step in it.

    Any network will do. `model` is changed in place and afterwards carries no trace but its weights, which lie on the
    grid of `bits` bits; entering again rounds what already lies there to itself. Everything else about the training
    (loss, penalty on gradients, schedule) stays the caller's:

        with energytrain.LowPrecision(model, optimiser) as low:
            for images, labels in batches:
                optimiser.zero_grad()
                loss(model(images), labels).backward()
                low.step()

    optimiser: any; without one only evaluation makes sense. Momentum is what SGD calls `momentum_buffer`.
    master_weights: updates are made on fp32 weights, of which the network sees a rounded copy; outside the context the
        model has the fp32 ones.
    Random numbers come from torch's generator of the model's device. Raises UsageError for `bits` outside 4 to 16.
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: Optional[torch.optim.Optimizer] = None,
        *,
        bits: int = 8,
        master_weights: bool = False,
    ) -> None:
        self.model = model
        self.optimiser = optimiser
        self.bits = bits
        self.master_weights = master_weights
        self._masters: Dict[nn.Parameter, torch.Tensor] = {}
        self._hooks: List[Any] = []

    def __enter__(self) -> "LowPrecision":
        with torch.no_grad():
            if self.master_weights:
                self._masters = {parameter: parameter.detach().clone() for parameter in self.model.parameters()}
            quantise_all(self.model.parameters(), self.bits, rounding="nearest")
        for layer in list(matrix_layers(self.model).values())[:-1]:
            self._hooks.append(layer.register_forward_hook(self._end_of_layer))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._restore_masters()
        self._masters.clear()

    def step(self) -> None:
        """Quantise the gradients, let the optimiser step, quantise the weights, then the momentum."""
        assert self.optimiser is not None, "there is no optimiser to step"
        parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        with torch.no_grad():
            quantise_all([p.grad for p in parameters if p.grad is not None], self.bits)
            self._restore_masters()
            self.optimiser.step()
            if self.master_weights:
                for parameter in parameters:
                    self._masters[parameter].copy_(parameter)
            quantise_all(parameters, self.bits)
            momenta = (self.optimiser.state.get(parameter, {}).get("momentum_buffer") for parameter in parameters)
            quantise_all([momentum for momentum in momenta if momentum is not None], self.bits)

    def _restore_masters(self) -> None:
        with torch.no_grad():
            for parameter, master in self._masters.items():
                parameter.copy_(master)

    def _end_of_layer(self, layer: nn.Module, inputs: Tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        return boundary(output, self.bits, "stochastic" if layer.training else "nearest")
