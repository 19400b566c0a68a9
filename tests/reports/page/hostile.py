"""Runs for the page: real ones of seconds, one of them named to do harm, and a metered one."""

import dataclasses
import json

from execution.small import run_small
from reports.charts.metered import metered_run

from energytrain.reports.source import Source, read_sources

NAME = "<script>alert(1)</script><img src=x onerror=alert(2)> %{x} & <b>bold</b> [red]"
NOTE = 'a note with </script><script>alert(3)</script> & "quotes"'


def sources_in(folder):
    """A dense run, one of eb-ff, the same one with a harmful name and note, and a metered one."""
    made = {run_small(folder, method=method, name=method, epochs=4).result["name"] for method in ("dense", "eb-ff")}
    assert made == {"dense", "eb-ff"}
    metered_run(folder)
    sources, skipped = read_sources([folder / name for name in ("dense", "eb-ff", "metered")])
    assert not skipped
    return [*sources, harmful(sources[1])]


def harmful(source):
    result = json.loads(json.dumps(source.result))
    result["name"], result["notes"], result["problems"] = NAME, [NOTE], [NOTE]
    return dataclasses.replace(Source(NAME, source.path, result))
