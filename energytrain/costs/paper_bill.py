"""The Early-Bird paper's own way to count training FLOPs, to put its published cells beside ours.

It takes a training pass for three forward passes, a network's FLOPs rounded to 0.01 G, and epochs of the dense and of
the pruned network (derived from Table 2 of You et al., ICLR 2020). `costs.bill` counts what is really done.
"""

from typing import Tuple

FLOPS_STEP = 10_000_000  # the paper rounds a network's FLOPs to 0.01 G
PASSES = 3
METHODS = ("dense", "lt", "snip", "ns", "thinet", "eb-ff", "eb-reinit")


def rounded_flops(macs: int) -> int:
    """FLOPs of one forward pass (2 x multiply-adds), rounded to 0.01 G, halves upwards."""
    return (2 * macs + FLOPS_STEP // 2) // FLOPS_STEP * FLOPS_STEP


def training_flops(
    images: int, dense_flops: int, dense_epochs: int, pruned_flops: int = 0, pruned_epochs: int = 0
) -> int:
    """images x 3 x (F_dense e1 + F_pruned e2); FLOPs of one forward pass in, FLOPs of the whole training out."""
    return images * PASSES * (dense_flops * dense_epochs + pruned_flops * pruned_epochs)


def epochs_of(method: str, epochs: int = 160, draw_epoch: int = 0) -> Tuple[int, int]:
    """Epochs on the dense and on the pruned network that Table 2 bills a method of `METHODS` with.

    The lottery ticket and SNIP train masked networks of full size: no credit for zeros. This table's EB retrains the
    160 - e epochs that the search left; Figure 1 and Tables 1 and 4 retrain for the full length.
    """
    if method in ("dense", "snip"):
        return epochs, 0
    if method == "lt":
        return 2 * epochs, 0
    if method in ("ns", "thinet"):
        return epochs, epochs
    if method == "eb-ff":
        return draw_epoch, epochs - draw_epoch
    if method == "eb-reinit":
        return draw_epoch, epochs
    raise ValueError(f"the paper's Table 2 has no method '{method}', only {', '.join(METHODS)}")
