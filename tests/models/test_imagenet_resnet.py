"""torchvision's ResNets: which channels are prunable, and their published weights, read without executing a file."""

import inspect
import io
import os
import urllib.error

import pytest
import torch

from energytrain.errors import UsageError
from energytrain.models.catalog import build
from energytrain.models.imagenet_resnet import is_torchvision_resnet, pretrained_weights
from energytrain.models.units import units_of
from energytrain.torchvision_bridge import load_torchvision

READS_WEIGHTS_ALONE = "weights_only" in inspect.signature(torch.hub.load_state_dict_from_url).parameters


def needs_torch_2(test):
    """On a torch that cannot read weights alone the refusal above is all there is to test."""
    return test if READS_WEIGHTS_ALONE else None


class Hostile:
    def __reduce__(self):
        return (os.mkdir, (os.environ["HOSTILE_MARK"],))


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """torch's download folder, holding what a test puts there as resnet18's published file."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    url = load_torchvision().models.get_model_weights("resnet18").DEFAULT.url
    return folder / url.rsplit("/", 1)[1]


def test_an_older_torch_is_told_of_another_way(cached, monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, progress=True: {})
    with pytest.raises(UsageError, match=r"give --init that file"):
        pretrained_weights("resnet18")


@needs_torch_2
def test_published_weights_load_into_our_network(cached, capsys):
    theirs = load_torchvision().models.resnet18(num_classes=1000)
    torch.save(theirs.state_dict(), cached)
    model = build("resnet18", classes=1000)
    model.load_state_dict(pretrained_weights("resnet18"))
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(model.eval()(images), theirs.eval()(images))
    assert capsys.readouterr().out == ""


@needs_torch_2
def test_a_hostile_file_is_not_executed(cached, tmp_path, monkeypatch):
    monkeypatch.setenv("HOSTILE_MARK", str(tmp_path / "executed"))
    torch.save(Hostile(), cached)
    with pytest.raises(Exception, match="[Ww]eights.only"):
        pretrained_weights("resnet18")
    assert not (tmp_path / "executed").exists()


@needs_torch_2
def test_a_torn_file_and_no_network_are_clear_errors(cached, monkeypatch):
    whole = io.BytesIO()
    torch.save({"a": torch.zeros(1000)}, whole)
    cached.write_bytes(whole.getvalue()[:500])
    with pytest.raises(UsageError, match="resnet18 cannot be had"):
        pretrained_weights("resnet18")
    cached.unlink()

    def offline(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UsageError, match="no network"):
        pretrained_weights("resnet18")


def test_only_torchvisions_networks_have_published_weights():
    with pytest.raises(UsageError, match="Only resnet18, resnet34, resnet50"):
        pretrained_weights("vgg16")


def test_inner_normalisations_alone_are_units():
    basic, bottleneck = build("resnet18", classes=10), build("resnet50", classes=10, width=0.1)
    assert [u.name for u in units_of(basic)][:3] == ["layer1.0.bn1", "layer1.1.bn1", "layer2.0.bn1"]
    assert len(units_of(basic)) == 8 and len(units_of(bottleneck)) == 2 * 16
    assert {u.name.rsplit(".", 1)[1] for u in units_of(bottleneck)} == {"bn1", "bn2"}


def test_grouped_convolutions_are_left_out():
    resnext = load_torchvision().models.resnext50_32x4d(num_classes=10)
    assert is_torchvision_resnet(resnext)
    assert units_of(resnext) == ()
