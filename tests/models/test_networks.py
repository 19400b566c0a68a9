"""What the networks compute: shortcuts, whole-map pooling, pre-activation order, against independent formulas."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from energytrain.errors import UsageError
from energytrain.models.layers import initialise
from energytrain.models.preresnet import PreActBottleneck, PreResNet
from energytrain.models.resnet_cifar import BasicBlock, CifarResNet
from energytrain.models.units import units_of, unwrapped
from energytrain.models.vgg import VGG


def conv_fc_macs(model, image):
    """Multiply-adds of convolutions and linear layers for one image, counted from the weights and output maps."""
    macs = []

    def count(layer, _, output):
        positions = output[0].numel() // output.shape[1]
        macs.append(layer.weight.numel() * positions)

    hooks = [
        layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))
    ]
    with torch.no_grad():
        model.eval()(image)
    for hook in hooks:
        hook.remove()
    return sum(macs)


@pytest.mark.parametrize(
    "make, macs",
    [
        (lambda: VGG(16, 10), 313_201_664),
        (lambda: VGG(16, 100), 313_247_744),
        (lambda: PreResNet(101, 10), 154_061_312),
        (lambda: PreResNet(101, 100), 154_084_352),
        (lambda: CifarResNet(20, 10), 40_551_040),
        (lambda: CifarResNet(56, 10), 125_485_696),
    ],
)
def test_published_multiply_adds(make, macs):
    assert conv_fc_macs(make(), torch.zeros(1, 3, 32, 32)) == macs


def test_option_a_takes_every_second_pixel_and_adds_zeros():
    block = BasicBlock(3, 5, 2, "A").eval()
    nn.init.zeros_(block.bn2.weight)
    stream = torch.rand(2, 3, 6, 6)
    expected = torch.zeros(2, 5, 3, 3)
    expected[:, :3] = stream[:, :, ::2, ::2]
    assert torch.equal(block(stream), expected)
    assert len(list(BasicBlock(3, 3, 1, "projection").parameters())) == 6


def test_bottleneck_is_pre_activation():
    """The stream passes untouched; the first convolution reads relu(bn1(stream)); a shape change projects it raw."""
    torch.manual_seed(0)
    block = PreActBottleneck(8, 2, 1).eval()
    assert block.shortcut is None
    stream = torch.randn(2, 8, 4, 4)
    nn.init.zeros_(block.conv3.weight)
    assert torch.equal(block(stream), stream)
    wider = PreActBottleneck(4, 2, 2).eval()
    nn.init.zeros_(wider.conv3.weight)
    stream = torch.randn(2, 4, 4, 4)
    assert torch.allclose(wider(stream), functional.conv2d(stream, wider.shortcut.weight, stride=2))


@pytest.mark.parametrize("size", [16, 24, 32, 48])
def test_vgg_averages_what_is_left_of_the_map(size):
    torch.manual_seed(0)
    model = VGG(16, 3, size=size, width=0.05).eval()
    images = torch.randn(2, 3, size, size)
    features = model.features(images)
    assert features.shape[2] == size // 16
    assert torch.allclose(model(images), model.fc(features.mean((2, 3))), atol=1e-6)


@pytest.mark.parametrize("make", [lambda: PreResNet(100, 10), lambda: PreResNet(2, 10), lambda: CifarResNet(21, 10)])
def test_impossible_depths(make):
    with pytest.raises(UsageError, match="depth"):
        make()


def test_initialise_fits_the_shapes_it_finds():
    torch.manual_seed(0)
    conv = nn.Sequential(nn.Conv2d(16, 64, 3), nn.BatchNorm2d(64), nn.Linear(64, 64))
    conv[1].running_mean.fill_(3.0)
    initialise(conv, 0.5)
    assert conv[0].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert conv[2].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert torch.all(conv[1].running_mean == 0) and torch.all(conv[1].weight == 0.5) and torch.all(conv[0].bias == 0)


def test_a_network_without_units_is_named():
    class Plain(nn.Module):
        pass

    with pytest.raises(UsageError, match="Plain does not declare"):
        units_of(Plain())


def test_wrappers_are_taken_off():
    model = VGG(16, 3, width=0.05)
    assert unwrapped(nn.DataParallel(model)) is model
    if hasattr(torch, "compile"):
        assert unwrapped(torch.compile(model)) is model
    assert unwrapped(model) is model
