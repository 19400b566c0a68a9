"""What choosing channels by ThiNet costs, from sizes alone, so that a plan and a run count the same.

Only units that lose channels cost anything. For each of them, with C channels of which k are kept and r removed, a
consumer with O outputs and K weights an input channel (kernel area, or inputs a channel of a linear layer), and
n = images x locations sampled values:

- one forward pass of every image in evaluation mode, through the network at its full widths (pruned channels are
  zeros there, and computed), up to the consumer, which itself is not run: those layers' own evaluation items;
- sampled products: n C K multiply-adds;
- Gram matrix: n C^2 multiply-adds;
- greedy choice: 3 C an entry for each of r channels (compare, double, add);
- least squares: k r additions, 9 k^3 for the eigenvectors of a symmetric matrix (Golub & Van Loan, Matrix Computations,
  Section 8.3), two products of k^2 multiply-adds, 2 k for inverse and shift;
- rescaling: O C K multiplications.

Nothing of this depends on what the data are. Arithmetic in double precision is booked as fp32, as the mask's is:
no device's profile knows another rate. Bytes follow the bill's rule: operands read once, results written once.
"""

from dataclasses import replace
from typing import List, Mapping, Sequence, Tuple

from torch import nn

from ..models.units import PrunableUnit, units_of, unwrapped
from ..quantities.ledger import MATRIX_KINDS, NetworkBill, WorkItem
from .bill import mask_item, network_bill

_EIGENVECTORS = 9
_DOUBLE = 8
_SINGLE = 4


def thinet_work(
    model: nn.Module,
    input_shape: Sequence[int],
    kept: Mapping[str, int],
    *,
    images: int,
    locations: int,
    batch_size: int,
) -> Tuple[WorkItem, ...]:
    """All the work of one call of `pruning.thinet.thinet` with these sizes: spend it with 0 images and 1 step.

    model: the network that is pruned, or one of its shapes. input_shape: (channels, height, width) of one image.
    kept: channels that each unit keeps; one left out is kept whole. Passes are in fp32, as `thinet` runs them.
    """
    network = unwrapped(model)
    bill = network_bill(network, input_shape)
    steps = -(-images // batch_size)
    units = [unit for unit in units_of(network) if kept.get(unit.name, unit.channels) < unit.channels]
    items = _passes(bill, [unit.consumers[0].module for unit in units], images, steps)
    for unit in units:
        outputs, inputs = _weight_shape(network, unit)
        area = inputs // unit.channels
        items += _choice(unit.name, unit.channels, kept[unit.name], outputs, area, images * locations, steps)
    return tuple(items)


def _passes(bill: NetworkBill, consumers: Sequence[str], images: int, steps: int) -> List[WorkItem]:
    """The evaluation items in front of each consumer, a layer that several passes run through booked once for all."""
    place = {item.layer: index for index, item in enumerate(bill.evaluation) if item.kind in MATRIX_KINDS}
    items: List[WorkItem] = []
    for index, item in enumerate(bill.evaluation):
        passes = sum(index < place[consumer] for consumer in consumers)
        if passes:
            items.append(
                replace(
                    item,
                    flops_per_image=0,
                    bytes_per_image=0,
                    flops_per_step=passes * (item.flops_per_image * images + item.flops_per_step * steps),
                    bytes_per_step=passes * (item.bytes_per_image * images + item.bytes_per_step * steps),
                    launches_per_step=passes * item.launches_per_step * steps,
                )
            )
    return items


def _choice(unit: str, channels: int, kept: int, outputs: int, area: int, samples: int, steps: int) -> List[WorkItem]:
    """What is done with the sampled values of one unit."""
    removed, sampled = channels - kept, samples * channels * area
    solved = removed * kept + _EIGENVECTORS * kept**3 + 4 * kept**2 + 2 * kept
    matrix = channels**2 * _DOUBLE
    return [
        # For each weight of a filter: values and weights gathered and widened, multiplied, added to the rows.
        mask_item(f"{unit}.products", 2 * sampled, 2 * sampled * (_SINGLE + _DOUBLE), 6 * area * steps),
        mask_item(f"{unit}.gram", 2 * samples * channels**2, samples * channels * _DOUBLE + 2 * matrix * steps, steps),
        mask_item(f"{unit}.greedy", 3 * channels * removed, 3 * channels * _DOUBLE * removed, 3 * removed),
        mask_item(f"{unit}.scales", solved, (removed * kept + 4 * kept**2) * _DOUBLE, 6),
        mask_item(f"{unit}.rescale", outputs * channels * area, 2 * outputs * channels * area * _SINGLE, 1),
    ]


def _weight_shape(network: nn.Module, unit: PrunableUnit) -> Tuple[int, int]:
    """Outputs of a unit's consumer, and weights of one output."""
    weight = network.get_submodule(unit.consumers[0].module).weight
    assert isinstance(weight, nn.Parameter)
    return len(weight), weight[0].numel()
