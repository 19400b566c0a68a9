"""What averaging the weights of the last epochs costs: the mean itself, and new statistics for its normalisations."""

from ..quantities.ledger import NetworkBill, Work, WorkItem

# One weight and one epoch: mean += (weight - mean) / n is a subtraction, a division and an addition; it reads both and
# writes one, fp32.
AVERAGE_FLOPS = 3
AVERAGE_BYTES = 3 * 4


def averaging_work(parameters: int, epochs: int = 1) -> Work:
    """Taking the weights that each of `epochs` ended with into the mean."""
    item = WorkItem(
        layer="average",
        kind="average",
        stage="update",
        precision="fp32",
        flops_per_step=AVERAGE_FLOPS * parameters,
        bytes_per_step=AVERAGE_BYTES * parameters,
    )
    return (item,), 0, epochs


def statistics_work(bill: NetworkBill, images: int, steps: int) -> Work:
    """One forward pass in training mode over `images` images; `bill`: of the mean network, in fp32.

    Izmailov et al. 2018 (Section 3.1): the statistics of batch normalisation are not averaged but computed anew.
    """
    return tuple(item for item in bill.training if item.stage == "forward"), images, steps
