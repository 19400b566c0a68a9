"""Which precisions there are and what a run uses when it is not told. Knows no torch: a spec is resolved without it."""

from ..errors import unknown

PRECISIONS = ("fp32", "bf16", "bfp8", "fp8")


def check_precision(precision: str) -> str:
    """`precision` itself; UsageError with the nearest name for one that is not known."""
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    return precision


def default_precision(compute: str) -> str:
    """fp32 on every device: it is the papers' and the only one that every device has. bf16 is asked for."""
    return "fp32"


def default_channels_last(compute: str, precision: str) -> bool:
    """Whether images and weights lie channels last (NHWC) unless told otherwise; `compute` is "cpu" or "cuda".

    On the CPU it is the faster one in both precisions (a training step of VGG16 with quarter widths at 32 px, batch
    64, one thread: fp32 101 -> 80 ms, bf16 65 -> 52 ms). On a GPU tensor cores want it, so bf16 and fp8 have it;
    fp32 there keeps NCHW, which is what the kernels of a Pascal board such as the TX2 are made for.
    """
    return compute == "cpu" or precision in ("bf16", "fp8")
