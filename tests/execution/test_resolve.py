"""Options become a specification: the paper's protocol by default, and every wrong value refused in one sentence."""

import pytest

from energytrain.errors import UsageError
from energytrain.execution.resolve import resolve


def spec_of(**options):
    return resolve({"device": "generic-cpu", "compute": "cpu", **options})[0]


def test_cifar10_without_more_is_the_paper_s_protocol():
    spec = spec_of(dataset="cifar10", device="tx2", align="1")
    assert (spec.method, spec.model, spec.width, spec.prune_ratio) == ("eb-ff", "vgg16", 1.0, 0.5)
    assert (spec.epochs, spec.batch_size, spec.lr, spec.momentum, spec.weight_decay) == (160, 256, 0.1, 0.9, 1e-4)
    assert spec.milestones == (80, 120) and spec.gamma == 0.1
    assert (spec.l1, spec.eps, spec.queue, spec.bn_start) == (1e-4, 0.1, 5, 0.5)


def test_digits_has_a_preset_of_its_own():
    spec = spec_of()
    assert (spec.dataset, spec.width, spec.batch_size) == ("digits", 0.25, 64)


@pytest.mark.parametrize(
    "protocol, expected",
    [
        ("sooner", (200, 128, 1e-4, (120, 160), False, "A")),
        ("renda", (182, 128, 2e-4, (91, 136), True, "projection")),
    ],
)
def test_protocols_are_presets(protocol, expected):
    spec = spec_of(dataset="cifar10", model="resnet20", protocol=protocol)
    assert (spec.epochs, spec.batch_size, spec.weight_decay, spec.milestones, spec.nesterov, spec.shortcut) == expected


def test_a_shorter_training_keeps_the_shape_of_its_schedule():
    assert spec_of(dataset="cifar10", epochs=30).milestones == (15, 22)


def test_align_auto_is_the_device_s_multiple_and_a_number_is_itself():
    assert spec_of(align="auto").align > 1
    assert spec_of(align="1").align == 1


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(method="eb-fff"), "unknown method 'eb-fff'. Did you mean 'eb-ff'"),
        (dict(model="vgg1"), "unknown model 'vgg1'. Did you mean 'vgg1"),
        (dict(dataset="cifar"), "unknown data set 'cifar'. Did you mean 'cifar10'"),
        (dict(device="tx3"), "unknown device 'tx3'. Did you mean 'tx2'"),
        (dict(protocol="ebb"), "unknown protocol 'ebb'. Did you mean 'eb'"),
        (dict(precision="fp31"), "Did you mean 'fp32'"),
        (dict(meter=("nvmll",)), "unknown meter 'nvmll'. Did you mean 'nvml'"),
        (dict(meter=("nvml:foo=1",)), "foo"),
        (dict(meter=("none", "nvml")), "--meter none cannot be combined"),
        (dict(prune_ratio=0.0), "--prune-ratio must lie between 0 and 1"),
        (dict(prune_ratio=1.0), "--prune-ratio must lie between 0 and 1"),
        (dict(eps=0.0), "--eps must be above 0"),
        (dict(eps=1.5), "--eps must be above 0 and at most 1"),
        (dict(epochs=0), "--epochs must be at least 1"),
        (dict(batch_size=1), "--batch-size must be at least 2"),
        (dict(lr=float("inf")), "--lr must be a finite number"),
        (dict(l1=float("nan")), "--l1 must be a finite number"),
        (dict(width=1000.0), "--width must be above 0 and at most 16"),
        (dict(seed=2**31), "--seed must lie between 0 and 2147483647"),
        (dict(milestones="80;120"), "the milestones '80;120' are not understood"),
        (dict(milestones="3,12", epochs=9), "the rate can drop at epochs 1 to 9"),
        (dict(method="dense", draw_epoch=3), "--draw-epoch is not for dense"),
        (dict(draw_epoch=99, measure_epochs=1, epochs=9), "--draw-epoch must lie between 1 and the 9 epochs"),
        (dict(name="../x"), "is not a plain folder name"),
        (dict(budget=".J"), "the budget '.J' is not understood"),
        (dict(batch_size=2000), "the batch size 2000 is larger than the 1437 training images"),
        (dict(batch_size=100, limit=50), "the batch size 100 is larger than the 50 training images"),
        (dict(limit=5000), "--limit 5000 does not fit the 1437 training images"),
        (dict(align="x"), "--align must be 'auto' or a whole number"),
        (dict(budget="50"), "the budget '50' is not understood"),
        (dict(budget="50 parsecs"), "the budget '50 parsecs' is not understood"),
        (dict(ticket="nowhere.json"), "there is no ticket file 'nowhere.json'"),
        (dict(method="dense", ticket="x"), "--ticket is for methods that retrain a ticket"),
        (dict(method="small-dense"), "small-dense needs the run to match"),
        (dict(method="eb-ff", like="x"), "--like is for small-dense and dense-short"),
        (dict(init="nowhere.safetensors"), "neither 'fresh', 'pretrained' nor a file"),
        (dict(compute="cuda:9"), "cuda"),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(options, words):
    with pytest.raises(UsageError) as caught:
        spec_of(**options)
    assert words in str(caught.value) and caught.value.exit_status == 2


def test_where_a_run_lies_and_how_it_is_shown_is_no_part_of_its_identity():
    one, settings = resolve({"device": "generic-cpu", "name": "x", "runs_dir": "a", "budget": "2h"})
    two, _ = resolve({"device": "generic-cpu", "name": "y", "runs_dir": "b", "fresh": True})
    assert one == two
    assert str(settings.folder) == "a/x" and settings.budget.seconds == 7200


def test_milestones_are_epochs_shares_or_none():
    def of(**options):
        spec, _ = resolve({"dataset": "digits", "epochs": 20, "meter": ("none",), "device": "generic-cpu", **options})
        return spec.milestones, spec.search_milestones

    assert of() == ((10, 15), (10, 15))
    assert of(milestones="4,12", search_milestones="none") == ((4, 12), ())
    assert of(milestones="0.25") == ((5,), (5,))
