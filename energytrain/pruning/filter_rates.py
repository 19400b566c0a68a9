"""The per-layer rates that filter pruning was published with, as data, and how they are raised or made uniform.

Source: Li, Kadav, Durdanovic, Samet and Graf, "Pruning Filters for Efficient ConvNets", ICLR 2017: Table 2 and
Section 4.1 (VGG-16), Section 4.2 (ResNet-56/110), Section 4.3 (ResNet-34). The paper numbers convolutions from 1; in a
ResNet layer 2i is the first convolution of block i, the only one that it prunes in A and B.

The paper does not say how n x rate is rounded. Its Table 1 (pruned parameters and FLOPs) fits networks that keep
int(n x (1 - rate)) filters a layer, `rounding="up"` of `filters.per_layer_mask`, to its last digit or one beside it;
int(n x rate) dropped would make it 7.2 instead of 10.4 % of the FLOPs for ResNet-56-A. The released code of Liu et al.,
"Rethinking the Value of Network Pruning" (2019), rounds in the same way and has the same layers and rates.

Three things differ from the paper's networks. Its VGG-16 has a hidden fully connected layer of 512, the one here has
not: 64.3 instead of 64.0 % of the parameters. Its counts of ResNet-34 leave out the projection shortcuts: with them
15.4 and 24.1 instead of 15.5 and 24.2 % of the FLOPs. ResNet-34-C prunes the residual stream, which the add ties
together: it is no setting here.
"""

from typing import Dict, NamedTuple, Tuple

from ..errors import UsageError, unknown


class _Setting(NamedTuple):
    rates: Tuple[float, ...]  # by stage
    skipped: Tuple[int, ...]  # layers, as the paper numbers them


# Blocks a stage.
_BLOCKS = {"resnet56": (9, 9, 9), "resnet110": (18, 18, 18), "resnet34": (3, 4, 6, 3)}
_RESNETS: Dict[str, Dict[str, _Setting]] = {
    "resnet56": {
        "A": _Setting((0.1, 0.1, 0.1), (16, 20, 38, 54)),
        "B": _Setting((0.6, 0.3, 0.1), (16, 18, 20, 34, 38, 54)),
    },
    "resnet110": {
        "A": _Setting((0.5, 0.0, 0.0), (36,)),
        "B": _Setting((0.5, 0.4, 0.3), (36, 38, 74)),
    },
    "resnet34": {
        "A": _Setting((0.3, 0.3, 0.3, 0.0), (2, 8, 14, 16, 26, 28, 30, 32)),
        "B": _Setting((0.5, 0.6, 0.4, 0.0), (2, 8, 14, 16, 26, 28, 30, 32)),
    },
}
# Half of the filters of layers 1 and 8 to 13: the normalisations behind them.
_VGG16_A = tuple(f"features.{place}" for place in (1, 25, 28, 31, 35, 38, 41))
_VGG16_RATE = 0.5
_SETTINGS: Dict[str, Tuple[str, ...]] = {"vgg16": ("A",), **{name: tuple(of) for name, of in _RESNETS.items()}}


def settings_of(model_name: str) -> Tuple[str, ...]:
    """The published settings of a network; none for one that the paper does not prune."""
    return _SETTINGS.get(model_name, ())


def published_rates(model_name: str, setting: str) -> Dict[str, float]:
    """The share of filters to drop by unit; a unit that is not named is kept whole. For any width of the network.

    Raises UsageError for a network or a setting that is not published.
    """
    if model_name not in _SETTINGS:
        raise UsageError(
            f"there are no published filter rates for '{model_name}'.",
            f"There are some for {', '.join(sorted(_SETTINGS))}; other networks take one rate for all layers.",
        )
    if setting not in _SETTINGS[model_name]:
        if (model_name, setting) == ("resnet34", "C"):
            raise UsageError(
                "ResNet-34-C prunes the residual stream, which cannot be narrowed here.", "Take setting A or B."
            )
        raise unknown(f"filter-rate setting of {model_name}", setting, _SETTINGS[model_name])
    if model_name == "vgg16":
        return {name: _VGG16_RATE for name in _VGG16_A}
    rates, skipped = _RESNETS[model_name][setting]
    blocks = [(stage, block) for stage, count in enumerate(_BLOCKS[model_name]) for block in range(count)]
    return {
        f"layer{stage + 1}.{block}.bn1" if model_name == "resnet34" else f"blocks.{number}.bn1": rates[stage]
        for number, (stage, block) in enumerate(blocks)
        if rates[stage] > 0 and 2 * (number + 1) not in skipped
    }


def rates_named(model_name: str, text: str) -> Dict[str, float]:
    """The rates that `text` names: a published setting, and an exponent where there is one, such as "A" or "B^3"."""
    setting, _, exponent = text.partition("^")
    if exponent and not exponent.isdigit():
        raise UsageError(f"the filter rates '{text}' are not understood.", "Write a setting such as B, or B^3.")
    return raised(published_rates(model_name, setting), int(exponent or 1))


def raised(rates: Dict[str, float], k: int) -> Dict[str, float]:
    """Rates that keep the share (1 - rate)^k: higher sparsity from the same hand-chosen rates.

    Renda, Frankle and Carbin 2020, footnote 6 (k = 1 to 5). Raises UsageError for a k below 1.
    """
    if k < 1:
        raise UsageError(f"the exponent of the filter rates is {k}.", "Give 1 or more.")
    # Twelve digits: 1 - (1 - 0.1) is 0.1 again.
    return {name: round(1.0 - (1.0 - rate) ** k, 12) for name, rate in rates.items()}
