"""What every test shares: one thread for each process, and the fake hardware's fixtures.

Two busy processes with two threads each slow a small network threefold on two cores, so the tests use one thread. The
variables must be set before numpy or torch is first imported; the processes that tests start inherit them. They would
inherit ignored signals as well: a shell starts what it puts into the background so, and nohup does with SIGHUP.
"""

import os
import signal

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"

for _number, _usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

import pytest  # noqa: E402

from energytrain.runs.spec import RunSpec  # noqa: E402

pytest_plugins = ["fakes.nvml_fixture", "fakes.jtop_fixture"]


@pytest.fixture()
def paper_spec() -> RunSpec:
    """The paper's own setting: EB Train FF of VGG16 on CIFAR-10 at p = 50 %, every field spelled out."""
    return RunSpec(
        method="eb-ff",
        model="vgg16",
        width=1.0,
        shortcut="A",
        dataset="cifar10",
        image_size=None,
        limit=None,
        validation=0.0,
        protocol="eb",
        prune_ratio=0.5,
        align=1,
        epochs=160,
        batch_size=256,
        lr=0.1,
        momentum=0.9,
        nesterov=False,
        weight_decay=1e-4,
        milestones=(80, 120),
        gamma=0.1,
        warmup_epochs=0,
        search_lr=0.1,
        search_milestones=(80, 120),
        l1=1e-4,
        l1_retrain=False,
        eps=0.1,
        queue=5,
        distance_rule="paper",
        bn_start=0.5,
        seed=0,
        trial=0,
        device="tx2",
        compute="cpu",
        precision="fp32",
        channels_last=True,
        meters=("auto",),
        sample_hz=10.0,
        init="fresh",
        ticket=None,
        match=None,
        measure_epochs=None,
        draw_epoch=None,
    )
