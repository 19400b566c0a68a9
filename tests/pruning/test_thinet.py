"""ThiNet against its definition: greedy choice and least squares in numpy, and whole networks layer by layer."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from energytrain.errors import RunFailed, UsageError
from energytrain.models.catalog import build
from energytrain.models.units import Consumer, PrunableUnit, units_of
from energytrain.pruning.masks import kept_counts
from energytrain.pruning.rebuild import rebuild
from energytrain.pruning.thinet import contributions, greedy_removal, layer_counts, reconstruction_scales, thinet

SETTINGS = {"locations": 10, "batch_size": 8, "seed": 3}


def gram_of(rows):
    return torch.tensor(rows.T @ rows)


def correlated_rows(seed, samples=60, channels=9):
    """Contributions that are positive on average and move together, as those of a layer are."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(samples, 3)) @ draw.normal(size=(3, channels))
    return common + draw.normal(size=(samples, channels)) * draw.uniform(0.1, 1.5, channels) + 0.3


def lost(rows, removed):
    return np.square(rows[:, list(removed)].sum(axis=1)).sum()


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_algorithm_1(seed):
    rows = correlated_rows(seed)
    expected = []
    for _ in range(6):
        others = [channel for channel in range(rows.shape[1]) if channel not in expected]
        expected.append(min(others, key=lambda channel: lost(rows, [*expected, channel])))
    assert greedy_removal(gram_of(rows), 6) == expected
    assert greedy_removal(gram_of(rows), 0) == []


def test_greedy_comes_near_the_best_set():
    ranks = []
    for seed in range(20):
        rows = correlated_rows(seed)
        every = sorted(lost(rows, removed) for removed in itertools.combinations(range(9), 4))
        chosen = lost(rows, greedy_removal(gram_of(rows), 4))
        assert chosen >= every[0] * (1 - 1e-12)
        ranks.append(np.searchsorted(every, chosen * (1 - 1e-9)))
    assert ranks.count(0) >= 5 and np.median(ranks) <= 5  # of 126 sets


def test_of_equals_the_earlier_goes():
    assert greedy_removal(torch.eye(5, dtype=torch.float64), 3) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_scales_are_the_least_squares_of_equation_7(seed):
    rows = correlated_rows(seed)
    kept = np.ones(9, dtype=bool)
    kept[greedy_removal(gram_of(rows), 4)] = False
    scales = reconstruction_scales(gram_of(rows), torch.tensor(kept)).numpy()
    expected = np.linalg.lstsq(rows[:, kept], rows.sum(axis=1), rcond=None)[0]
    assert np.allclose(scales[kept], expected, rtol=1e-9) and not scales[~kept].any()
    before, after = lost(rows, np.flatnonzero(~kept)), np.square(rows.sum(axis=1) - rows @ scales).sum()
    assert after < before


@pytest.mark.parametrize("case", ["few rows", "equal channels", "silent channels", "all silent"])
def test_undetermined_scales_stay_as_near_to_1_as_they_can(case):
    rows = correlated_rows(0)
    kept = np.array([True] * 6 + [False] * 3)
    if case == "few rows":
        rows = rows[:4]
    elif case == "equal channels":
        rows[:, 1] = rows[:, 0]
        rows[:, 3] = rows[:, 2] + 1e-8 * rows[:, 3]
    elif case == "silent channels":
        rows[:, [1, 2]] = 0.0
    else:
        rows[:, kept] = 0.0
    scales = reconstruction_scales(gram_of(rows), torch.tensor(kept)).numpy()
    nearest = 1.0 + np.linalg.lstsq(rows[:, kept], rows[:, ~kept].sum(axis=1), rcond=1e-5)[0]
    assert np.allclose(scales[kept], nearest, atol=1e-4)
    assert np.square(rows.sum(axis=1) - rows @ scales).sum() <= lost(rows, np.flatnonzero(~kept)) * (1 + 1e-12)
    if case == "equal channels":
        assert np.isclose(scales[0], scales[1]) and abs(scales).max() < 10
    if case == "silent channels":
        assert np.allclose(scales[[1, 2]], 1.0)


READERS = {
    "padded": lambda: nn.Conv2d(6, 4, 3, padding=1),
    "strided": lambda: nn.Conv2d(6, 4, (3, 2), stride=(2, 3), padding=(0, 1), bias=False),
    "dilated, same": lambda: nn.Conv2d(6, 4, (2, 3), padding="same", dilation=(3, 2)),
    "circular": lambda: nn.Conv2d(6, 4, 3, padding=(1, 2), padding_mode="circular"),
    "pointwise": lambda: nn.Conv2d(6, 4, 1),
    "linear": lambda: nn.Linear(6, 4),
    "flattened": lambda: nn.Linear(6 * 20, 4),
}


@pytest.mark.parametrize("name", READERS)
def test_contributions_are_what_the_layer_computes_of_each_channel_alone(name):
    torch.manual_seed(0)
    reader = READERS[name]().double()
    shape = {"linear": (5, 6), "flattened": (5, 6, 4, 5)}.get(name, (5, 6, 7, 9))
    maps = torch.randn(shape, dtype=torch.float64)
    draws = torch.rand(5, 40, 2, dtype=torch.float64)

    def sampled(values):
        values = values - (0 if reader.bias is None else reader.bias.view(1, -1, *[1] * (values.dim() - 2)))
        flat = values.flatten(2) if values.dim() > 2 else values.unsqueeze(2)
        picks = [
            flat[image, int(output * flat.shape[1]), int(place * flat.shape[2])]
            for image, row in enumerate(draws.tolist())
            for output, place in row
        ]
        return torch.stack(picks)

    def run(values):
        return reader(values.flatten(1) if name == "flattened" else values)

    with torch.no_grad():
        rows = contributions(reader, maps.flatten(1) if name == "flattened" else maps, draws, 6)
        assert rows.shape == (200, 6)
        assert torch.allclose(rows.sum(1), sampled(run(maps)), atol=1e-12)
        for channel in range(6):
            alone = torch.zeros_like(maps)
            alone[:, channel] = maps[:, channel]
            assert torch.allclose(rows[:, channel], sampled(run(alone)), atol=1e-12)


def test_what_is_kept_and_what_is_computed(family, images):
    counts = layer_counts(family, 0.4)
    for unit in units_of(family):
        prunable = unit.producer is not None and len(unit.consumers) == 1
        assert counts[unit.name] == unit.channels - (int(unit.channels * 0.4) if prunable else 0)
    assert sum(counts.values()) < sum(unit.channels for unit in units_of(family))
    before = copy.deepcopy(family.state_dict())
    random_state = torch.random.get_rng_state()
    family.train()
    thinned, mask = thinet(family, images, counts, **SETTINGS)
    assert kept_counts(mask) == counts and list(mask) == [unit.name for unit in units_of(family)]
    assert all(module.training for module in [*family.modules(), *thinned.modules()])
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in family.state_dict().items())
    changed = {name for name, tensor in thinned.state_dict().items() if not torch.equal(tensor, before[name])}
    readers = {unit.consumers[0].module for unit in units_of(family) if counts[unit.name] < unit.channels}
    assert changed == {f"{reader}.weight" for reader in readers}
    with torch.no_grad():
        whole, small = thinned.eval()(images), rebuild(thinned, mask).eval()(images)
        assert torch.isfinite(whole).all()
        assert torch.allclose(whole, small, atol=1e-5 * float(whole.abs().max()))


def test_the_same_again_and_other_seeds(network_of, images):
    model = network_of("vgg16")
    counts = layer_counts(model, 0.5)
    first, mask = thinet(model, images, counts, **SETTINGS)
    torch.rand(7)
    again, same = thinet(nn.DataParallel(model), images, counts, **SETTINGS)
    assert all(torch.equal(mask[name], same[name]) for name in mask)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values()))
    batched, same = thinet(model, images, counts, **{**SETTINGS, "batch_size": 5})
    assert all(torch.equal(mask[name], same[name]) for name in mask)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(first.parameters(), batched.parameters()))
    _, other = thinet(model, images, counts, **{**SETTINGS, "seed": 4})
    assert any(not torch.equal(mask[name], other[name]) for name in mask)


def test_each_layer_sees_the_network_pruned_so_far(network_of, images):
    model = network_of("vgg16")
    counts = layer_counts(model, 0.5)
    first, second, third = list(counts)[:3]
    together, mask = thinet(model, images, {name: counts[name] for name in (first, second, third)}, **SETTINGS)
    step = model
    for name in (first, second, third):
        step, alone = thinet(step, images, {name: counts[name]}, **SETTINGS)
        assert torch.equal(alone[name], mask[name])
    assert all(torch.equal(a, b) for a, b in zip(step.state_dict().values(), together.state_dict().values()))
    apart, _ = thinet(model, images, {third: counts[third]}, **SETTINGS)
    reader = units_of(model)[2].consumers[0].module
    assert not torch.equal(apart.get_submodule(reader).weight, together.get_submodule(reader).weight)


def test_a_layers_choice_is_the_definition_on_its_own_activations(network_of, images):
    """The whole way for one layer, with numpy: forward by hand, the same draws, greedy and least squares."""
    model = network_of("resnet20-A").eval()
    unit = units_of(model)[4]
    keep = unit.channels // 2
    thinned, mask = thinet(model, images, {unit.name: keep}, **SETTINGS)
    seen = []
    reader = model.get_submodule(unit.consumers[0].module)
    handle = reader.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].detach()))
    with torch.no_grad():
        model(images)
    handle.remove()
    scales = thinned.get_submodule(unit.consumers[0].module).weight / reader.weight
    scales = scales.detach().double().flatten(2).mean(2).mean(0).numpy()
    assert (scales[~mask[unit.name].numpy()] == 0).all()
    draws = torch.rand(len(images), 4000, 2, dtype=torch.float64)
    rows = contributions(reader, seen[0], draws, unit.channels).numpy()
    before = np.square(rows @ (1.0 - mask[unit.name].numpy())).mean()
    after = np.square(rows.sum(axis=1) - rows @ scales).mean()
    others = [np.random.default_rng(seed).permutation(unit.channels)[:keep] for seed in range(20)]
    random_error = np.mean([np.square(rows.sum(axis=1) - rows[:, kept].sum(axis=1)).mean() for kept in others])
    assert after < before < random_error


def doubled(base):
    """A VGG that computes what `base` does with twice the channels: each has a copy, read 1/1000 as strongly."""
    model = copy.deepcopy(base)
    units = units_of(model)
    for unit in units:
        producer, norm = model.get_submodule(unit.producer), model.get_submodule(unit.bn)
        reader = model.get_submodule(unit.consumers[0].module)
        producer.weight = nn.Parameter(producer.weight.detach().repeat_interleave(2, 0))
        for leaf in ("weight", "bias"):
            setattr(norm, leaf, nn.Parameter(getattr(norm, leaf).detach().repeat_interleave(2)))
        for leaf in ("running_mean", "running_var"):
            setattr(norm, leaf, getattr(norm, leaf).repeat_interleave(2))
        norm.num_features *= 2
        share = (
            torch.tensor([1000 / 1001, 1 / 1001]).repeat(unit.channels).view(1, -1, *[1] * (reader.weight.dim() - 2))
        )
        reader.weight = nn.Parameter(reader.weight.detach().repeat_interleave(2, 1) * share)
    return model


def test_copies_of_channels_go_and_the_function_stays(network_of, images):
    base = network_of("vgg16").double().eval()
    images = images.double()
    for unit in units_of(base):  # every channel alive, so that no channel matters less than another one's copy
        base.get_submodule(unit.bn).bias.data.uniform_(0.5, 1.0)
    model = doubled(base)
    with torch.no_grad():
        assert torch.allclose(model(images), base(images), atol=1e-9)
        thinned, mask = thinet(model, images, layer_counts(model, 0.5), locations=40, batch_size=8, seed=0)
        small = rebuild(thinned, mask)
        assert sum(p.numel() for p in small.parameters()) == sum(p.numel() for p in base.parameters())
        assert (mask["features.8"].view(-1, 2).sum(1) == 1).all()
        error = (small(images) - base(images)).abs().max() / base(images).abs().max()
    assert error < 1e-6


def test_silent_channels_go_first(network_of, images):
    model = network_of("resnet18")
    unit = units_of(model)[-1]
    norm = model.get_submodule(unit.bn)
    silent = torch.arange(unit.channels) % 3 == 0
    norm.bias.data[:] = 2.0
    norm.weight.data[silent], norm.bias.data[silent] = 0.0, 0.0
    thinned, mask = thinet(model, images, {unit.name: int((~silent).sum())}, **SETTINGS)
    assert torch.equal(mask[unit.name], ~silent)
    with torch.no_grad():
        assert torch.allclose(thinned.eval()(images), model.eval()(images), atol=1e-6)


def test_down_to_the_last_channel(network, images):
    counts = layer_counts(network, 0.999)
    thinned, mask = thinet(network, images, counts, **SETTINGS)
    assert kept_counts(mask) == counts and min(counts.values()) == 1
    assert torch.isfinite(rebuild(thinned, mask).eval()(images)).all()


def test_what_cannot_be_done_is_refused(network_of, images):
    vgg, stream, users = network_of("vgg16"), network_of("preresnet20"), network_of("users")
    for model, kept, words in [
        (vgg, {"features.2": 1}, "no unit 'features.2'"),
        (vgg, {"features.1": 0}, "'features.1' cannot keep 0 of 8"),
        (vgg, {"features.1": 9}, "'features.1' cannot keep 9 of 8"),
        (stream, {"blocks.0.bn1": 1}, "cannot prune 'blocks.0.bn1'"),
        (users, {"bn": 1}, "cannot prune 'bn'"),
    ]:
        with pytest.raises(UsageError, match=words):
            thinet(model, images, kept, **SETTINGS)
    for setting in ("locations", "batch_size"):
        with pytest.raises(UsageError, match="at least one"):
            thinet(vgg, images, {}, **{**SETTINGS, setting: 0})
    for ratio in (0.0, 1.0):
        with pytest.raises(UsageError, match="prune ratio"):
            layer_counts(vgg, ratio)
    whole = layer_counts(stream, 0.5)
    assert all(whole[unit.name] == unit.channels for unit in units_of(stream) if unit.producer is None)


class Odd(nn.Module):
    """A network whose only unit is read by `reader`, which forward may leave out."""

    def __init__(self, reader, used=True):
        super().__init__()
        self.conv, self.bn, self.reader, self.used = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), reader, used

    def forward(self, images):
        maps = self.bn(self.conv(images))
        return self.reader(maps) if self.used else maps

    def prunable_units(self):
        return (PrunableUnit("bn", "bn", 4, "conv", (Consumer("reader"),)),)


def test_readers_that_ThiNet_cannot_read(images):
    for model, words in [
        (Odd(nn.ConvTranspose2d(4, 4, 3)), "'reader' is no convolution or linear layer"),
        (Odd(nn.Conv2d(4, 4, 3, groups=2)), "'reader' is a grouped convolution"),
        (Odd(nn.Conv2d(4, 4, 3), used=False), "never run"),
    ]:
        with pytest.raises(UsageError, match=words):
            thinet(model, images, {"bn": 2}, **SETTINGS)
    broken = Odd(nn.Conv2d(4, 4, 3))
    broken.bn.weight.data[0] = float("inf")
    with pytest.raises(RunFailed, match="the input of 'reader' is not finite"):
        thinet(broken, images, {"bn": 2}, **SETTINGS)
    assert not broken.reader._forward_pre_hooks


@pytest.mark.gpu
def test_on_a_gpu(network, images):
    counts = layer_counts(network, 0.5)
    here, mask = thinet(network.double(), images.double(), counts, **SETTINGS)
    there, same = thinet(network.cuda(), images.double(), counts, **SETTINGS)
    assert all(torch.equal(mask[name], same[name]) for name in mask)
    assert all(torch.allclose(a, b.cpu(), atol=1e-6) for a, b in zip(here.parameters(), there.parameters()))
    assert next(there.parameters()).is_cuda


def test_a_full_width_network_has_its_published_counts():
    counts = layer_counts(build("vgg16", classes=10), 0.3)
    assert list(counts.values()) == [45] * 2 + [90] * 2 + [180] * 3 + [359] * 6
