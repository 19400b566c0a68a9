"""The same command again: whether a folder is this run's, what is still to do in it, and whether it may go on here."""

from typing import Any, Mapping, Optional

from ..errors import UsageError
from ..runs.folder import RunFolder
from ..runs.inference import left_to_infer
from ..runs.spec import OUTSIDE_IDENTITY, RunSpec, identity
from ..training.checkpoint import CheckpointStore


def check_identity(folder: RunFolder, spec: RunSpec) -> None:
    """Refuses a folder of another specification."""
    record = folder.read()
    if record["identity"] != identity(spec):
        now = {k: v for k, v in spec.to_json().items() if k not in OUTSIDE_IDENTITY}
        unlike = [k for k, v in now.items() if record["spec"].get(k) != v]
        raise UsageError(
            f"'{folder.path}' holds another run; it differs in {', '.join(unlike) or 'its version'}.",
            "Give another --name, or --fresh to discard it.",
        )


def lacks_inference(folder: RunFolder, spec: RunSpec, result: Mapping[str, Any]) -> bool:
    """Whether `spec` asks for inference that is still to be measured on a run that is done.

    UsageError where it can no longer be, because marks or checkpoint are gone.
    """
    if not spec.infer:
        return False
    hint = "Leave out --infer to see the run, or give --fresh to run it again."
    if not folder.events.exists():
        raise UsageError(f"inference cannot be added to '{folder.path}': only its result was kept.", hint)
    if not left_to_infer(result):
        return False
    if not CheckpointStore(folder.checkpoint).numbers():
        raise UsageError(f"inference cannot be added to '{folder.path}': its checkpoint is gone.", hint)
    return True


def check_origin(folder: RunFolder, commit: Optional[Mapping[str, Any]], machine: Mapping[str, Any]) -> None:
    """Refuses a run whose last attempt had another commit or machine."""
    attempts = folder.read()["attempts"]
    if not attempts:
        return
    for name, now in (("commit", commit), ("machine", machine)):
        if attempts[-1][name] != now:
            raise UsageError(
                f"this run was begun under another {name}.",
                "Give --accept-changes to continue it all the same, or --fresh to start again.",
            )
