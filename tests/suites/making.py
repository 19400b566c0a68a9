"""Suites for tests: written as files, read as a command reads them, their runs carried out by `fake_run.py`."""

import dataclasses
import json
import sys
from pathlib import Path

from energytrain.cli.bench import run_options
from energytrain.runs.spec import identity
from energytrain.suites.jobs import Job
from energytrain.suites.matrix import suite_runs
from energytrain.suites.resolving import Answer, Answers
from energytrain.suites.run_suite import Treatment
from energytrain.suites.suite_file import read_suite

COMMIT = {"hash": "a" * 40, "dirty": False}
VERSIONS = {"energytrain": "1", "torch": "2"}
MACHINE = {"cpu": "x", "threads": 1}


def written(folder, text):
    path = folder / "suite.yaml"
    path.write_text("schema_version: 1\nname: small\n" + text)
    return path


def suite_of(folder, text):
    return read_suite(written(folder, text), run_options())


def runs_of(folder, text, compare_with=None):
    return suite_runs(suite_of(folder, text), compare_with)


class Stage:
    """A suite whose runs are fakes. `does`: by name, what a run does; `plays` are the answers."""

    def __init__(self, folder, spec, text):
        self.folder = folder
        self.runs = runs_of(folder, text)
        self.specs = {
            run.name: dataclasses.replace(spec, seed=run.seed, method=run.options["method"]) for run in self.runs
        }
        self.now = {"commit": COMMIT, "versions": VERSIONS, "machine": MACHINE}
        self.jobs = [Job(run, (str(folder / f"{run.name}.json"),), {}) for run in self.runs]
        self.does = {}

    def __getitem__(self, name):
        return next(job for job in self.jobs if job.run.name == name)

    @property
    def answers(self):
        found = {name: Answer(spec.to_json(), identity(spec), **self.now) for name, spec in self.specs.items()}
        return Answers(found, 1.0)

    def treatment(self, **options):
        """Also writes what the fakes are to do."""
        for name, answer in self.answers.by_name.items():
            plan = {**dataclasses.asdict(answer), "do": self.does.get(name, "done")}
            (self.folder / f"{name}.json").write_text(json.dumps(plan))
        fake = (sys.executable, str(Path(__file__).with_name("fake_run.py")))
        return Treatment(self.folder / "runs", command=fake, **options)

    def calls(self):
        """How runs were started since the last call, in order."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.write_text("")
        return lines


class Watching:
    """Keeps what a suite told."""

    def __init__(self, on_works=lambda job: None):
        self.messages, self.left, self.words, self.on_works = [], [], [], on_works

    def begins(self, job, decision, number, left):
        self.left.append(left)

    def works(self, job, doing, left):
        self.words.append(None if doing is None else doing.words())
        self.on_works(job)

    def message(self, job, text):
        self.messages.append(text)

    def ended(self, job, outcome, number, left):
        self.left.append(left)
