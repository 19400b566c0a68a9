import subprocess
import sys
import textwrap


def run(code):
    """Each in a process of its own: what is tested is the state of the interpreter's modules."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_it_loads_and_its_models_run():
    out = run(
        """
        from energytrain.torchvision_bridge import load_torchvision
        torchvision = load_torchvision()
        import torch
        print(torchvision.models.resnet18(num_classes=3).eval()(torch.zeros(1, 3, 32, 32)).shape[1])
        print(load_torchvision() is torchvision, torchvision.datasets.CIFAR10.__name__)
    """
    )
    assert out.split() == ["3", "True", "CIFAR10"]


def test_it_loads_after_an_import_of_the_users_that_failed_or_not():
    out = run(
        """
        try:
            import torchvision
        except RuntimeError:
            pass
        from energytrain.torchvision_bridge import load_torchvision
        print(load_torchvision().models.resnet18.__name__)
        import torchvision.transforms
    """
    )
    assert out.split() == ["resnet18"]


# A torchvision that finds its operators undeclared, as the real one does beside a torch it was not built for.
BROKEN = """
import pathlib, sys, tempfile
holder = tempfile.TemporaryDirectory()
folder = pathlib.Path(holder.name)
for name in ("", "models", "datasets"):
    (folder / "torchvision" / name).mkdir(parents=True, exist_ok=True)
    (folder / "torchvision" / name / "__init__.py").touch()
(folder / "torchvision" / "early.py").touch()
(folder / "torchvision" / "models" / "__init__.py").write_text(
    "import torch, torchvision.early\\n"
    "if CONDITION: raise RuntimeError('operator torchvision::nms does not exist')\\n"
    "here = True\\n"
)
sys.path.insert(0, holder.name)
from energytrain.errors import UsageError
from energytrain.torchvision_bridge import load_torchvision
"""


def test_a_torchvision_whose_operators_are_missing_is_repaired():
    out = run(
        BROKEN.replace("CONDITION", "not hasattr(torch.ops.torchvision, 'nms')")
        + """
module = load_torchvision()
import torch
print(module.__file__.startswith(holder.name), hasattr(torch.ops.torchvision, "nms"), module.models.here)
"""
    )
    assert out.split() == ["True", "True", "True"]


def test_one_that_stays_broken_is_a_sentence():
    out = run(
        BROKEN.replace("CONDITION", "True")
        + """
try:
    load_torchvision()
except UsageError as error:
    print(error, "torchvision" in sys.modules)
"""
    )
    assert "cannot be imported beside this torch" in out and out.split()[-1] == "False"


def test_without_torchvision_it_says_what_to_install():
    out = run(
        """
        import sys
        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name == "torchvision":
                    raise ModuleNotFoundError("No module named 'torchvision'", name=name)
        sys.meta_path.insert(0, Absent())
        from energytrain.errors import UsageError
        from energytrain.torchvision_bridge import load_torchvision
        try:
            load_torchvision()
        except UsageError as error:
            print(error)
    """
    )
    assert "not installed" in out and "pip install torchvision" in out
