"""FP8 worked out by hand in float64, and a stand-in for `torch._scaled_mm` that is as strict about shapes as cuBLAS."""

from typing import Any, Callable, List, NamedTuple, Optional

import pytest
import torch

MANTISSA = {"e4m3": 3, "e5m2": 2}
LEAST_EXPONENT = {"e4m3": -6, "e5m2": -14}  # of numbers with a full mantissa
TOP_EXPONENT = {"e4m3": 7, "e5m2": 14}  # where scaling puts the largest magnitude
# Half of the last place, relative to a number with a full mantissa.
UNIT = {form: 2.0 ** -(bits + 1) for form, bits in MANTISSA.items()}


class Product(NamedTuple):
    """One matrix product as it was asked for."""

    rows: int
    columns: int
    shared: int
    types: "tuple[torch.dtype, torch.dtype]"

    @property
    def flops(self) -> int:
        return 2 * self.rows * self.columns * self.shared


def missing() -> Optional[str]:
    """Why this torch cannot multiply FP8 matrices on the CPU."""
    try:
        codes, one = torch.zeros(16, 16, dtype=torch.uint8), torch.ones(())
        operands = codes.view(torch.float8_e5m2), codes.view(torch.float8_e4m3fn).t()
        result: Any = torch._scaled_mm(*operands, scale_a=one, scale_b=one, out_dtype=torch.float32)
    except (AttributeError, RuntimeError, TypeError) as error:
        return f"torch {torch.__version__} has no FP8 matrix product on the CPU: {str(error).splitlines()[0]}"
    return None if isinstance(result, torch.Tensor) else f"torch {torch.__version__} returns something else"


needs_fp8 = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def scale(values: torch.Tensor, form: str) -> float:
    """The power of two that values are divided by."""
    largest = torch.tensor(float(values.detach().abs().max()), dtype=torch.float64)
    exponent = int(torch.frexp(largest)[1]) - 1 if largest > 0 else 0
    return float(2.0 ** (exponent - TOP_EXPONENT[form]))


def rounded(values: torch.Tensor, form: str) -> torch.Tensor:
    """`values` after a way through FP8, float64: to the nearest number of the format, halves to the even one."""
    by = scale(values, form)
    scaled = values.detach().double() / by
    exponent = (torch.frexp(scaled)[1] - 1).clamp(min=LEAST_EXPONENT[form])
    step = torch.ldexp(torch.ones_like(scaled), exponent - MANTISSA[form])
    return torch.round(scaled / step) * step * by


def most_wrong(values: torch.Tensor, form: str) -> torch.Tensor:
    """By how much each of `values` may change on its way through FP8."""
    smallest_step = 2.0 ** (LEAST_EXPONENT[form] - MANTISSA[form]) * scale(values, form)
    return UNIT[form] * values.detach().double().abs() + smallest_step / 2


def strict(monkeypatch: pytest.MonkeyPatch) -> List[Product]:
    """From now on a product that cuBLAS would refuse fails; the others are noted in the list."""
    noted: List[Product] = []
    multiply: Callable[..., torch.Tensor] = torch._scaled_mm

    def checked(a: torch.Tensor, b: torch.Tensor, **options: Any) -> torch.Tensor:
        (rows, shared), columns = a.shape, b.shape[1]
        assert b.shape[0] == shared and shared % 16 == 0 and columns % 16 == 0
        assert a.stride() == (shared, 1) and b.stride() == (1, shared)
        assert torch.float8_e4m3fn in (a.dtype, b.dtype)
        for name in ("scale_a", "scale_b"):
            assert options[name].dtype is torch.float32 and options[name].numel() == 1
        noted.append(Product(rows, columns, shared, (a.dtype, b.dtype)))
        return multiply(a, b, **options)

    monkeypatch.setattr(torch, "_scaled_mm", checked)
    return noted
