"""The work that phases do beside plain training steps, counted from sizes: a run books it, a plan foretells it."""

import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from torch import nn

from ..costs.averaging_work import averaging_work, statistics_work
from ..costs.bill import mask_work, network_bill
from ..costs.filter_work import filter_ranking_work, zeroing_work
from ..costs.fp8_bill import fp8_bill
from ..costs.pruning_work import gradient_mask_work, ranking_work, saliency_items
from ..costs.thinet_work import thinet_work
from ..data.batching import epoch_size, steps
from ..data.catalog import DataInfo
from ..models.units import units_of
from ..precision.fp8 import fp8_layers
from ..pruning.filters import per_layer_counts
from ..pruning.rebuild import shrink
from ..pruning.weight_masks import weight_names
from ..quantities.ledger import NetworkBill, Work, WorkItem
from ..runs.spec import RunSpec
from .phases import MaskDistance, MaskWeights, Prune, Train


def bill_in(
    precision: str, model: nn.Module, shape: Sequence[int], *, master_weights: bool = False, l1: bool = False
) -> NetworkBill:
    """What an image and a step of `model` cost in a precision as `--precision` names it."""
    if precision == "fp8":
        return fp8_bill(model, shape, fp8_layers(model), l1=l1)
    return network_bill(model, shape, precision=precision, master_weights=master_weights, l1=l1)


def training_bill(
    model: nn.Module, shape: Sequence[int], spec: RunSpec, phase: Optional[Train], masked: Optional[int]
) -> NetworkBill:
    """`bill_in` of `model` with all that `phase` adds to a step; `masked`: weights whose gradients are masked."""
    precision = spec.precision if phase is None else phase.precision
    l1 = phase is not None and phase.l1 > 0
    bill = bill_in(precision, model, shape, master_weights=spec.master_weights, l1=l1)
    if phase is None or masked is None:
        return bill
    return dataclasses.replace(bill, training=(*bill.training, gradient_mask_work(masked)))


def epoch_items(model: nn.Module, phase: Train) -> Tuple[WorkItem, ...]:
    """What each epoch of `phase` costs once: the search's mask and distance, the ranking of filters."""
    if isinstance(phase.until, MaskDistance):
        return (mask_work(model),)
    if phase.soft is not None:
        sizes, kept = filter_sizes(model), per_layer_counts(model, phase.soft)
        return (*filter_ranking_work(sizes), *zeroing_work(sizes, kept))
    return ()


def check_work(model: nn.Module, data: DataInfo, spec: RunSpec, phase: Train) -> List[Work]:
    """What the pseudo-prune check of an epoch costs: ranking, an epoch of the masked copy, its validation."""
    if phase.until is None or isinstance(phase.until, MaskDistance):
        return []
    shape = (data.channels, data.size, data.size)
    if phase.until.structure == "weights":
        masked = masked_elements(model, "magnitude", spec.skip_ends)
        ranking = ranking_work(masked)
    else:
        masked = 2 * sum(unit.channels for unit in units_of(model))
        ranking = mask_work(model)
    bill = training_bill(model, shape, spec, phase=dataclasses.replace(phase, l1=0.0), masked=masked)
    images, batches, _ = epoch_size(data.train_images, spec.batch_size)
    validation = data.validation_images
    return [
        ((ranking,), 0, 1),
        (bill.training, images, batches),
        (bill.evaluation, validation, steps(validation, spec.batch_size)),
    ]


def averaged_epochs(phase: Train, first: int, last: int) -> int:
    """How many of the epochs first .. last - 1 of `phase` end with weights that are averaged."""
    return 0 if phase.average_from is None else max(0, last - max(first, phase.average_from))


def average_work(model: nn.Module, data: DataInfo, spec: RunSpec, epochs: int, ends: bool) -> List[Work]:
    """What averaging over `epochs` costs; where the phase `ends`, with the pass that renews the statistics."""
    work = [averaging_work(sum(parameter.numel() for parameter in model.parameters()), epochs)]
    if ends:
        images, batches, _ = epoch_size(data.train_images, spec.batch_size)
        work.append(statistics_work(network_bill(model, (data.channels, data.size, data.size)), images, batches))
    return work


def masking_work(model: nn.Module, data: DataInfo, spec: RunSpec, phase: MaskWeights) -> List[Work]:
    """What choosing single weights costs."""
    elements = masked_elements(model, phase.criterion, phase.skip_ends)
    if phase.criterion == "magnitude":
        return [((ranking_work(elements),), 0, 1)]
    return [*_saliency(model, data, spec), ((ranking_work(elements),), 0, 1)]


def pruning_work(model: nn.Module, data: DataInfo, spec: RunSpec, phase: Prune, kept: Mapping[str, int]) -> List[Work]:
    """What choosing channels costs, where a phase of its own chooses; `kept`: channels left by unit."""
    if phase.choose == "bn-scale":
        return [((mask_work(model),), 0, 1)]
    if phase.choose == "snip":
        return [*_saliency(model, data, spec), ((mask_work(model),), 0, 1)]
    if phase.choose in ("l1-filters", "l2-filters"):
        return [(filter_ranking_work(filter_sizes(model)), 0, 1)]
    if phase.choose == "thinet":
        looked_at = {"images": thinet_images(spec, data), "locations": thinet_locations(spec, data)}
        shape = (data.channels, data.size, data.size)
        return [(thinet_work(model, shape, kept, **looked_at, batch_size=spec.batch_size), 0, 1)]
    return []


def ratio_check_work(
    dense: nn.Module, data: DataInfo, spec: RunSpec, precision: str, checks: Sequence[Mapping[str, Any]]
) -> List[Work]:
    """What the checks of `--prune-ratio auto` cost: for each, by its kept channels, its epochs and validations.

    precision: of the search, in which they train.
    """
    shape = (data.channels, data.size, data.size)
    images, batches, _ = epoch_size(data.train_images, spec.batch_size)
    validation = data.validation_images
    work: List[Work] = []
    for check in checks:
        bill = bill_in(precision, shrink(dense, check["kept"]), shape, master_weights=spec.master_weights)
        epochs = check["epochs"]
        work.append(((mask_work(dense),), 0, 1))
        work.append((bill.training, images * epochs, batches * epochs))
        work.append((bill.evaluation, validation * epochs, steps(validation, spec.batch_size) * epochs))
    return work


THINET_IMAGES_PER_CLASS = 10
# Rows of sampled values. The paper has 10 images x 10 locations of each of 1,000 classes. On a trained VGG16 the least
# squares needed some ten rows a channel: with fewer it fitted what was sampled and missed the rest.
THINET_ROWS = 10_000
THINET_LOCATIONS = 10


def thinet_images(spec: RunSpec, data: DataInfo) -> int:
    """How many images ThiNet looks at: ten a class, or all there are (Luo et al. 2017, Section 4)."""
    return min(THINET_IMAGES_PER_CLASS * data.classes, data.train_images)


def thinet_locations(spec: RunSpec, data: DataInfo) -> int:
    """How many values it samples an image: the paper's ten, more where the images are few."""
    return max(THINET_LOCATIONS, -(-THINET_ROWS // thinet_images(spec, data)))


def masked_elements(model: nn.Module, criterion: str, skip_ends: bool) -> int:
    """How many weights a criterion ranks and masks."""
    sizes = dict(model.named_parameters())
    return sum(sizes[name].numel() for name in masked_names(model, criterion, skip_ends))


def masked_names(model: nn.Module, criterion: str, skip_ends: bool) -> Tuple[str, ...]:
    """Magnitude ranks the weights of convolutions, SNIP those of linear layers, too (Lee et al. 2019, Section 4)."""
    return weight_names(model, linear=criterion == "snip", skip_ends=skip_ends)


def filter_sizes(model: nn.Module) -> Dict[str, Tuple[int, int]]:
    """(filters, weights a filter) of every unit that has a convolution of its own."""
    sizes = {}
    for unit in units_of(model):
        if unit.producer is not None:
            weight: Any = model.get_submodule(unit.producer).weight
            sizes[unit.name] = (weight.shape[0], weight[0].numel())
    return sizes


def saliency_images(spec: RunSpec, data: DataInfo) -> int:
    """SNIP looks at one batch."""
    return min(spec.batch_size, data.train_images)


def _saliency(model: nn.Module, data: DataInfo, spec: RunSpec) -> List[Work]:
    bill = network_bill(model, (data.channels, data.size, data.size), precision="fp32")
    return [(saliency_items(bill), saliency_images(spec, data), 1)]
