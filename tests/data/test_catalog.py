import subprocess
import sys

import pytest

from energytrain.data.catalog import DATASETS, info, load
from energytrain.errors import UsageError


def test_names_and_shapes_need_no_torch():
    code = (
        "import sys; from energytrain.data.catalog import DATASETS, info; "
        "print(*DATASETS, info('cifar100', limit=1000, validation=0.1).train_images, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*DATASETS, "900", "False"]


@pytest.mark.parametrize(
    "request_", [{}, dict(limit=333), dict(validation=0.1), dict(limit=101, validation=0.25), dict(image_size=32)]
)
def test_info_tells_what_load_will_hold(request_):
    expected, bundle = info("digits", **request_), load("digits", seed=4, **request_)
    assert bundle.info == expected
    assert len(bundle.train) == expected.train_images and len(bundle.test) == expected.test_images
    assert (0 if bundle.validation is None else len(bundle.validation)) == expected.validation_images
    images, _ = next(iter(bundle.train.batches(0, 8)))
    assert images.shape == (8, expected.channels, expected.size, expected.size)


@pytest.mark.parametrize("ask", [info, load])
@pytest.mark.parametrize(
    "name, request_, words",
    [
        ("cifar", {}, "Did you mean 'cifar10'"),
        ("digits", dict(limit=0), "--limit 0"),
        ("digits", dict(limit=1438), "--limit 1438"),
        ("digits", dict(validation=1.0), "1.0"),
        ("digits", dict(image_size=2), "2 pixels"),
        ("cifar10", dict(image_size=224), "32 pixels"),
        ("folder", {}, "--data-dir"),
    ],
)
def test_a_request_that_does_not_fit_is_one_sentence(ask, name, request_, words):
    with pytest.raises(UsageError) as error:
        ask(name, **request_)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_folder_cannot_be_downloaded(tmp_path):
    with pytest.raises(UsageError, match="downloaded"):
        load("folder", data_dir=tmp_path, download=True)
