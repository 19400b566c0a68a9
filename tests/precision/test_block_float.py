"""Block floating point against its published values and against a second implementation in float64."""

import itertools
from typing import List, Tuple

import numpy as np
import pytest
import torch

from energytrain.errors import UsageError
from energytrain.precision.block_float import boundary, quantise, quantise_all

SHAPES = [(), (1,), (7,), (5, 3), (4, 3, 5, 2), (2, 3, 4, 2, 2), (6, 1, 1, 1), (3, 50_000), (400, 500), (140_000,)]


def _grid(x: np.ndarray, bits: int, by_row: bool) -> Tuple[np.ndarray, np.ndarray, int]:
    """(x in steps, step, top), all in float64."""
    blocks = x.shape[0] if by_row and x.ndim else 1
    rows = x.astype(np.float64).reshape(blocks, x.size // max(1, blocks))
    _, exponents = np.frexp(np.abs(rows).max(axis=1, keepdims=True, initial=0))
    step = 2.0 ** np.maximum(exponents - 1.0 - (bits - 2), -126.0)
    return (rows / step).reshape(x.shape), np.broadcast_to(step, rows.shape).reshape(x.shape), 2 ** (bits - 1) - 1


def _nearest(x: np.ndarray, bits: int, by_row: bool) -> np.ndarray:
    steps, step, top = _grid(x, bits, by_row)
    return (np.clip(np.floor(steps + 0.5), -top, top) * step).astype(np.float32)


def _random(shape: Tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """Normal values whose rows differ widely in size."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator)
    if not shape:
        return values
    sizes = torch.exp2(torch.randint(-30, 30, shape[:1], generator=generator).float())
    return values * sizes.reshape(-1, *[1] * (len(shape) - 1))


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "values, expected",
    [
        ([1, 0.3, -0.7, 1 / 128, 0.00781, 3 / 128, -1 / 128], [1, 0.296875, -0.703125, 0.015625, 0, 0.03125, 0]),
        ([1.999, -1.999], [1.984375, -1.984375]),
        ([3.99, -3.99, 0.1, -0.1], [3.96875, -3.96875, 0.09375, -0.09375]),
        ([0.01, 0.003, -0.0001], [0.010009765625, 0.0030517578125, -0.0001220703125]),
        ([1, 0.01, 0.003, -0.0001], [1, 0.015625, 0, 0]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
    ],
)
def test_published_values_at_8_bits(values: List[float], expected: List[float]) -> None:
    assert quantise(torch.tensor(values), rounding="nearest").tolist() == expected


def test_a_row_is_its_own_block() -> None:
    rows = torch.tensor([[1.0, 0.3, -0.7], [0.01, 0.003, -0.0001]])
    expected = [[1, 0.296875, -0.703125], [0.010009765625, 0.0030517578125, -0.0001220703125]]
    for block in ("channel", "sample"):
        assert quantise(rows, 8, block=block, rounding="nearest").tolist() == expected


@pytest.mark.parametrize("block", ["tensor", "channel", "sample"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nearest_equals_float64(shape: Tuple[int, ...], block: str) -> None:
    x = _random(shape)
    for bits in range(4, 17):
        expected = _nearest(x.numpy(), bits, block != "tensor")
        assert np.array_equal(quantise(x, bits, block=block, rounding="nearest").numpy(), expected), bits


@pytest.mark.parametrize("block", ["tensor", "channel"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_stochastic_takes_one_of_the_two_neighbours(shape: Tuple[int, ...], block: str) -> None:
    x = _random(shape)
    for bits in (4, 8, 9, 10, 16):
        steps, step, top = _grid(x.numpy(), bits, block != "tensor")
        found = quantise(x, bits, block=block, generator=_seeded(1)).numpy() / step
        low, high = np.floor(steps), np.ceil(steps)
        assert np.all((found == np.clip(low, -top, top)) | (found == np.clip(high, -top, top)))


def test_ties_go_up_and_the_value_just_below_one_does_not() -> None:
    half = np.float32(0.5)
    steps = torch.tensor([64.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, np.nextafter(half, np.float32(0)), 63.5])
    expected = [64, 1, 0, 2, -1, 3, -2, 0, 64]
    assert quantise(steps, 8, rounding="nearest").tolist() == expected


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_powers_of_two_have_their_own_exponent(bits: int) -> None:
    for exponent in range(-100, 128):
        power = torch.tensor([2.0**exponent])
        below = torch.nextafter(power, torch.zeros(1))
        assert torch.equal(quantise(power, bits, rounding="nearest"), power)
        top = (2 ** (bits - 1) - 1) * 2.0 ** (exponent - 1 - (bits - 2))
        assert quantise(below, bits, rounding="nearest").item() == top


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("bits", range(4, 17))
def test_values_on_the_grid_stay(bits: int, rounding: str) -> None:
    top = 2 ** (bits - 1) - 1
    grid = torch.arange(-top, top + 1, dtype=torch.float32).repeat(-(-20_000 // (2 * top + 1)))
    for size in (2.0**-90, 1.0, 2.0**100):
        assert torch.equal(quantise(grid * size, bits, rounding=rounding, generator=_seeded(0)), grid * size)
        few = grid[: min(1000, grid.numel())] * size
        assert torch.equal(quantise(few, bits, rounding=rounding, generator=_seeded(0)), few)


@pytest.mark.parametrize("count", [1000, 200_000], ids=["few", "many"])
@pytest.mark.parametrize("bits, value, up", [(8, 0.3, 0.2), (8, -0.3, 0.8), (8, 0.0078125, 0.5), (5, 0.3, 0.4)])
def test_the_chance_to_round_up_is_the_fraction(count: int, bits: int, value: float, up: float) -> None:
    generator = _seeded(5)
    x = torch.full((count,), value)
    x[0] = 1.0
    found = np.concatenate([quantise(x, bits, generator=generator).numpy()[1:] for _ in range(400_000 // count)])
    step = 2.0 ** (2 - bits)
    low = np.floor(np.float64(np.float32(value)) / step) * step
    assert set(np.unique(found)) == {np.float32(low), np.float32(low + step)}
    share = (found > low + step / 2).mean()
    assert abs(share - up) < 5 * np.sqrt(up * (1 - up) / found.size)


@pytest.mark.parametrize("bits", [4, 8, 12, 16])
def test_stochastic_is_unbiased_at_every_place(bits: int) -> None:
    """At every place modulo 4 too: four values share one random word."""
    generator = _seeded(7)
    x = torch.rand(20_000, generator=generator) * 2 - 1
    x[:4] = 1.0
    repeats = 60
    mean = sum(quantise(x, bits, generator=generator).double() for _ in range(repeats)) / repeats
    error = ((mean - x.double()) / 2.0 ** (2 - bits))[4:].reshape(-1, 4).numpy()
    deviation = 0.5 / np.sqrt(repeats * error.shape[0])
    assert np.all(np.abs(error.mean(axis=0)) < 4 * deviation)
    assert np.all(np.abs(np.corrcoef(error.T) - np.eye(4)) < 5 / np.sqrt(error.shape[0]))


@pytest.mark.parametrize("shape", [(3,), (5_001,), (300_003,), (7, 20_011)], ids=str)
def test_the_generator_decides(shape: Tuple[int, ...]) -> None:
    x = _random(shape)
    first = quantise(x, generator=_seeded(3))
    assert torch.equal(quantise(x, generator=_seeded(3)), first)
    torch.manual_seed(3)
    assert torch.equal(quantise(x), first)
    state = torch.random.get_rng_state()
    quantise(x, rounding="nearest")
    assert torch.equal(torch.random.get_rng_state(), state)
    generator = _seeded(3)
    quantise(x, generator=generator)
    assert torch.equal(torch.random.get_rng_state(), state)
    if x.numel() > 100:
        assert not torch.equal(quantise(x, generator=generator), first)


def test_threads_change_nothing() -> None:
    x = _random((64, 5_000))
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(quantise(x, block="channel", generator=_seeded(3)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_what_is_not_finite_never_comes_out_finite(bad: float, rounding: str) -> None:
    x = torch.ones(3, 4)
    x[1, 2] = bad
    found = quantise(x, block="channel", rounding=rounding)
    assert torch.isnan(found[1]).all()
    assert torch.equal(found[[0, 2]], torch.ones(2, 4))
    assert torch.isnan(quantise(x, rounding=rounding)).all()
    assert torch.isnan(quantise(x.flatten(), block="channel", rounding=rounding)).tolist() == [
        number == 6 for number in range(12)
    ]


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_very_small_and_very_large_numbers(bits: int) -> None:
    largest = torch.finfo(torch.float32).max
    assert torch.isfinite(quantise(torch.tensor([largest, -largest, 1.0]), bits)).all()
    small = torch.tensor([2.0**-110, 3.3e-39, -1e-40, 2.0**-149, 0.0])
    for x in (small, small[1:], small[3:]):
        for block in ("tensor", "channel"):
            expected = _nearest(x.numpy(), bits, block == "channel")
            assert np.array_equal(quantise(x, bits, block=block, rounding="nearest").numpy(), expected)
            assert torch.isfinite(quantise(x, bits, block=block)).all()


def test_flushing_denormals_leaves_zeros_zero() -> None:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor does not flush denormals")
    try:
        x = torch.tensor([[0.0, 0.0], [2.0**-126, 0.0], [1.5 * 2.0**-124, 2.0**-140]])
        assert torch.equal(quantise(x, block="channel", rounding="nearest")[:, 1], torch.zeros(3))
        assert quantise(x, block="channel")[:2].tolist() == [[0.0, 0.0], [2.0**-126, 0.0]]
    finally:
        torch.set_flush_denormal(False)


def test_zero_blocks_stay_zero_beside_others() -> None:
    x = torch.tensor([[0.0, 0.0], [0.7, -0.7]])
    found = quantise(x, block="channel", rounding="nearest")
    assert found.tolist() == [[0.0, 0.0], [0.703125, -0.703125]]
    assert quantise(torch.zeros(5_000)).count_nonzero() == 0


def _layouts(shape: Tuple[int, ...]) -> List[torch.Tensor]:
    plain = _random(shape)
    backwards = tuple(reversed(range(len(shape))))
    layouts = [
        plain,
        plain.permute(backwards).contiguous().permute(backwards),
        torch.stack([plain, plain], dim=-1)[..., 0],
        plain[:1].expand(shape),
    ]
    if len(shape) == 4:
        layouts.append(plain.contiguous(memory_format=torch.channels_last))
    return layouts


@pytest.mark.parametrize("block", ["tensor", "channel"])
@pytest.mark.parametrize("shape", [(6,), (6, 4), (6, 4, 3, 3), (6, 1, 3, 3), (6, 4, 1, 1), (8, 64, 20, 20)], ids=str)
def test_any_strides(shape: Tuple[int, ...], block: str) -> None:
    layouts = _layouts(shape)
    for x in layouts:
        expected = torch.from_numpy(_nearest(x.contiguous().numpy(), 8, block != "tensor"))
        found = quantise(x, block=block, rounding="nearest")
        assert torch.equal(found, expected)
        assert found.stride() == torch.empty_like(x).stride()
        repeated = quantise(x, block=block, generator=_seeded(2))
        assert torch.equal(repeated, quantise(x.clone(), block=block, generator=_seeded(2)))
    for x, out in itertools.product(layouts, layouts[:3] + layouts[4:]):
        copy, strides = x.clone(), out.stride()
        result = torch.empty_strided(shape, strides)
        assert quantise(copy, block=block, rounding="nearest", out=result) is result
        assert torch.equal(result, quantise(x, block=block, rounding="nearest"))
        assert result.stride() == strides
        assert torch.equal(copy, x)


@pytest.mark.parametrize("shape", [(), (9,), (6, 4, 3, 3), (8, 64, 20, 20)], ids=str)
def test_in_place_is_the_same(shape: Tuple[int, ...]) -> None:
    for x in _layouts(shape)[:3] if shape else [_random(())]:
        for block, rounding in itertools.product(("tensor", "channel"), ("nearest", "stochastic")):
            inside = torch.nn.Parameter(x.clone())
            memory, version = inside.data_ptr(), inside._version
            expected = quantise(inside, block=block, rounding=rounding, generator=_seeded(4))
            assert not expected.requires_grad
            found = quantise(inside, block=block, rounding=rounding, generator=_seeded(4), out=inside)
            assert found is inside and inside.data_ptr() == memory
            assert inside._version > version
            assert torch.equal(inside, expected)


def test_many_in_place_are_as_one_by_one() -> None:
    given = [
        _random(shape, seed=number) for number, shape in enumerate([(6,), (4, 3, 2, 2), (), (1,), (9,), (5, 2), (0,)])
    ]
    given.append(_random((8,))[::2])
    held = [torch.nn.Parameter(x.clone(memory_format=torch.preserve_format)) for x in given]
    quantise_all(held, 8, rounding="nearest")
    for inside, x in zip(held, given):
        assert torch.equal(inside, quantise(x, 8, block="channel", rounding="nearest"))
    drawn = [[x.clone() for x in given] for _ in range(2)]
    for many in drawn:
        quantise_all(iter(many), 5, generator=_seeded(8))
    for first, second, x in zip(*drawn, given):
        assert torch.equal(first, second)
        steps, step, _ = _grid(x.numpy(), 5, True)
        assert np.all(np.abs(first.numpy() / step - steps) <= 1)
    with pytest.raises(UsageError, match="float16"):
        quantise_all([torch.ones(2), torch.ones(2, dtype=torch.float16)])


@pytest.mark.parametrize("block", ["tensor", "channel"])
def test_no_values_at_all(block: str) -> None:
    for shape in ((0,), (0, 3), (3, 0)):
        assert quantise(torch.empty(shape), block=block).shape == shape


def test_refusals_say_what_to_do() -> None:
    x = torch.ones(3)
    for bits in (3, 17, 32):
        with pytest.raises(UsageError, match="4 to 16"):
            quantise(x, bits)
    with pytest.raises(UsageError, match="Did you mean 'channel'"):
        quantise(x, block="chanel")
    with pytest.raises(UsageError, match="Did you mean 'nearest'"):
        quantise(x, rounding="nearst")
    for kind in (torch.bfloat16, torch.float16, torch.float64):
        with pytest.raises(UsageError, match=str(kind).replace("torch.", "") + ".*float()"):
            quantise(x.to(kind))
    with pytest.raises(UsageError, match="shape"):
        quantise(x, out=torch.ones(1))


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_a_boundary_quantises_values_and_errors_by_sample(rounding: str) -> None:
    x, error = _random((5, 3, 8, 8), seed=1).requires_grad_(), _random((5, 3, 8, 8), seed=2)
    ours, plain = _seeded(6), _seeded(6)
    values = boundary(x * 1, 8, rounding, generator=ours)
    values.backward(error)
    for found, given in ((values, x), (x.grad, error)):
        assert torch.equal(found, quantise(given, 8, block="sample", rounding=rounding, generator=plain))
    assert torch.equal(ours.get_state(), plain.get_state())


def test_a_boundary_takes_any_error() -> None:
    x = torch.randn(4, 3, 2, 2).contiguous(memory_format=torch.channels_last).requires_grad_()
    boundary(x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))
    assert not boundary(x.detach()).requires_grad
