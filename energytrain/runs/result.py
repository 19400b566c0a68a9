"""result.json: what a run folder says, computed from its marks and traces, and cached.

The cache is keyed by the integrator's and the energy model's versions and by size and hash of every input, so a result
is never older than what it was made from; an input that looks untouched is not hashed again. Where the marks were not
kept (a result that is committed beside a page), it is all there is, and is shown as it stands.
"""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from ..atomic import write_json
from ..costs.energy_model import MODEL_VERSION
from ..devices.profile import Profile, load_profile
from ..devices.setup import load_setup
from ..energy.integrator.integrate import INTEGRATOR_VERSION
from ..energy.traces.clocks import boot_id, host
from ..energy.traces.series import Trace
from ..energy.traces.trace import read_trace
from ..errors import UsageError
from .account import Accountant
from .events import read_events
from .folder import RUNNING, RunFolder
from .inference import inference_of
from .problems import say_what_happened, training_conditions
from .spec import RunSpec
from .timeline import Timeline, build_timeline
from .trajectory import trajectory

RESULT_VERSION = 3
# What a result of version 2 did not have. It is read on where the marks are gone and it cannot be computed anew.
SINCE_VERSION_2 = ("trajectory", "inference", "infer")


def run_result(path: Path, recompute: bool = False) -> Dict[str, Any]:
    """The result of the run in `path`, from its cache where that is still valid."""
    folder = RunFolder.open(path)
    cached = _cached(folder.result) if not recompute and folder.result.exists() else {}
    stamps = _stamps(folder)
    key = _cache_key(folder, stamps, cached)
    if cached:
        if cached.get("key") == key:
            return _as_of_now(folder, cached)
        if not folder.events.exists():
            return _kept(folder, cached)
    result = compute_result(folder)
    result.update(key=key, stamps=stamps)
    with contextlib.suppress(PermissionError):  # a folder that may only be read has its result computed each time
        write_json(folder.result, result)
    return _as_of_now(folder, result)


def _cached(path: Path) -> Dict[str, Any]:
    """What the cache holds; nothing where it is damaged, since it can be made again."""
    try:
        cached = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return cached if isinstance(cached, dict) else {}


def _kept(folder: RunFolder, result: Dict[str, Any]) -> Dict[str, Any]:
    """A result whose marks are gone. UsageError where another version of energytrain computed it."""
    if result.get("schema_version") == 2:
        return {**result, **dict.fromkeys(SINCE_VERSION_2)}
    if result.get("schema_version") != RESULT_VERSION:
        raise UsageError(
            f"the result of '{folder.path}' has version {result.get('schema_version')}, this energytrain reads "
            f"{RESULT_VERSION}, and there are no marks to compute it from anew.",
            "Read it with the energytrain that wrote it, or copy the whole run folder.",
        )
    return result


def _as_of_now(folder: RunFolder, result: Dict[str, Any]) -> Dict[str, Any]:
    """The result with the one thing that no file says: whether its process is at work at this moment."""
    result = {**result, "name": folder.path.name}  # a folder may have been renamed
    attempts = folder.read()["attempts"]
    if result["status"] == "interrupted" and attempts and is_alive(attempts[-1]):
        return {**result, "status": "running"}
    return result


def is_alive(attempt: Mapping[str, Any]) -> bool:
    """Whether an attempt's process runs on this machine; one on another machine cannot be told, and is not claimed."""
    if (attempt["status"], attempt["host"], attempt["boot_id"]) != (RUNNING, host(), boot_id()):
        return False
    if sys.platform == "win32":  # which takes os.kill(pid, 0) for a Ctrl-C
        return False
    try:
        os.kill(attempt["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def compute_result(folder: RunFolder) -> Dict[str, Any]:
    """The result of a run, always from its marks and traces."""
    record = folder.read()
    spec = RunSpec.from_json(record["spec"])
    timeline = build_timeline(read_events(folder.events))
    traces = {
        a.number: read_trace(folder.path / a.mark["trace"])
        for a in timeline.attempts
        if a.mark.get("trace") and (folder.path / a.mark["trace"]).exists()
    }
    profile = profile_of(spec.device)
    accountant = Accountant(timeline, traces, profile, spec.measure_epochs)
    account = accountant.account(dense_epochs=_dense_epochs(spec))
    conditions = training_conditions(timeline, traces)
    problems, notes = say_what_happened(timeline, traces, accountant, account, conditions, spec.average)
    return {
        "schema_version": RESULT_VERSION,
        "name": folder.path.name,
        "identity": record["identity"],
        "spec": record["spec"],
        "status": timeline.status,
        "device": {"name": spec.device, "profile": None if profile is None else profile.name, **_where(timeline)},
        "energy_model": MODEL_VERSION,
        "integrator": INTEGRATOR_VERSION,
        "headline": account.headline,
        "primary": list(timeline.attempts[0].mark.get("primary", ())) if timeline.attempts else [],
        "phases": [row.to_json(account.headline) for row in account.phases],
        **{
            name: getattr(account, name).to_json(account.headline)
            for name in ("evaluation", "overhead", "baseline", "infer", "lost", "useful", "spent")
        },
        "idle": accountant.idle.to_json(),
        "dense": None if account.dense is None else account.dense.to_json(account.headline),
        "what_if": account.what_if,
        "accuracy": _accuracy(timeline, spec),
        "network": _networks(timeline),
        "ticket": timeline.ticket,
        "distances": _distances(timeline),
        "trajectory": trajectory(accountant, account),
        "inference": inference_of(timeline, spec.precision, _where(timeline)["here"], accountant.window, profile),
        "meters": _meters(timeline, traces),
        "observer": [a.mark["observer"] for a in timeline.attempts if "observer" in a.mark],
        "conditions": conditions,
        "notes": notes,
        "problems": problems,
        "complete": not problems,
    }


def profile_of(device: str) -> Optional[Profile]:
    """The profile that models `device`, or None where its setup names none."""
    name = load_setup(device).profile
    return None if name is None else load_profile(name)


def _dense_epochs(spec: RunSpec) -> Optional[int]:
    """A dense training is the same schedule, whole; of a dense run itself there is nothing to compare."""
    return None if spec.method in ("dense", "small-dense", "dense-short") else spec.epochs


def _where(timeline: Timeline) -> Dict[str, Any]:
    mark = timeline.attempts[0].mark if timeline.attempts else {}
    return {"here": bool(mark.get("here", False)), "host": mark.get("host"), "unavailable": mark.get("unavailable", [])}


def _accuracy(timeline: Timeline, spec: RunSpec) -> Dict[str, Any]:
    """Accuracies in percent. `test` is the last epoch's; `test_best` the best on test data, as the EB code reports."""
    useful = timeline.useful()
    evaluations = [s for s in useful if s.what == "evaluation"]
    training = [s for s in useful if s.what == "training"]
    # What a recipe that ends with a pruning left is judged after it; otherwise the last training counts.
    final = [s for s in evaluations if s.phase == evaluations[-1].phase]
    finished = timeline.status == "done" and spec.measure_epochs is None
    tests = [s.marks["test_accuracy"] for s in final if s.marks.get("test_accuracy") is not None]
    validation = [s.marks["validation_accuracy"] for s in final if s.marks.get("validation_accuracy") is not None]
    return {
        "test": tests[-1] if tests and finished else None,
        "test_so_far": tests[-1] if tests else None,
        "test_best": max(tests) if tests else None,
        "validation": validation[-1] if validation else None,
        "train": training[-1].marks.get("accuracy") if training else None,
        "loss": training[-1].marks.get("loss") if training else None,
    }


def _networks(timeline: Timeline) -> Dict[str, Any]:
    """Parameters and multiply-adds before (the dense network) and after (the trained one)."""
    marks = list(timeline.phases.values())

    def size(mark: Mapping[str, Any]) -> Dict[str, Any]:
        bill = mark["bill"]
        return {"parameters": bill["parameters"], "macs": bill["macs"], "flops": 2 * bill["macs"]}

    dense = next((m for m in marks if m["role"] == "dense"), None)
    before = size(dense) if dense is not None else timeline.ticket and timeline.ticket.get("dense")
    return {"before": before, "after": size(marks[-1]) if marks else None}


def _distances(timeline: Timeline) -> List[Dict[str, Any]]:
    return [
        {"epoch": s.epoch, "distance": s.marks["distance"]}
        for s in timeline.useful()
        if s.what == "training" and s.marks.get("distance") is not None
    ]


def _meters(timeline: Timeline, traces: Mapping[int, Trace]) -> List[Dict[str, Any]]:
    rows = []
    for attempt in timeline.attempts:
        trace = traces.get(attempt.number)
        for series in trace.series.values() if trace is not None else ():
            failed = int(sum(1 for value in series.values if value != value))
            rows.append(
                {
                    "attempt": attempt.number,
                    "channel": series.channel.to_json(),
                    "samples": len(series.values),
                    "failed": failed,
                    "errors": list(series.errors),
                }
            )
    return rows


def _stamps(folder: RunFolder) -> Dict[str, List[int]]:
    """Size and time of change of each input, by its name."""
    inputs = [folder.run_file, folder.events, *sorted((folder.path / "traces").glob("*.arrows"))]
    stats = {path.name: path.stat() for path in inputs if path.exists()}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def _cache_key(folder: RunFolder, stamps: Mapping[str, List[int]], cached: Mapping[str, Any]) -> Dict[str, Any]:
    """What a result depends on. Marks and traces only grow: one that has the size and the time of change that `cached`
    saw is not read again."""
    known, key = cached.get("stamps"), cached.get("key")
    seen = key.get("inputs") if isinstance(key, dict) else None
    if not isinstance(known, dict) or not isinstance(seen, dict):  # of an older version, or damaged
        known, seen = {}, {}
    inputs = {}
    for name, stamp in stamps.items():
        path = _input(folder, name)
        same = name != folder.run_file.name and known.get(name) == stamp and name in seen
        inputs[name] = seen[name] if same else [stamp[0], _digest(path)]
    return {
        "result": RESULT_VERSION,
        "integrator": INTEGRATOR_VERSION,
        "energy_model": MODEL_VERSION,
        "profile": hashlib.sha256(repr(profile_of(folder.read()["spec"]["device"])).encode()).hexdigest(),
        "inputs": inputs,
    }


def _input(folder: RunFolder, name: str) -> Path:
    return folder.path / "traces" / name if name.endswith(".arrows") else folder.path / name


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
