"""`energytrain report` as a person meets it: forms, formats, files, what is refused and what is skipped."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from runs.emulated import result as made_result

from energytrain.cli.main import run

COMMITTED = Path(__file__).resolve().parents[1] / "kept_runs"
FORMS = ("runs", "table2", "table3", "phases", "layers")


def report(*arguments, cwd=None, **settings):
    return subprocess.run(
        [sys.executable, "-m", "energytrain", "report", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        **settings,
    )


@pytest.fixture()
def here(folder, monkeypatch, capfd):
    """The command in this process, inside `folder`."""
    monkeypatch.chdir(folder)

    def command(*arguments):
        status = run(["report", *map(str, arguments)])
        printed = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, printed.out, printed.err)

    return command


@pytest.fixture(scope="module")
def folder(tmp_path_factory, made_spec):
    """Two runs with marks, one of them with a hostile name."""
    path = tmp_path_factory.mktemp("report")
    for name in ("plain", "<script>"):
        made_result(path / "runs" / name, made_spec, "fp32", "fp32")
    return path


@pytest.fixture(scope="module")
def made_spec():
    from energytrain.runs.spec import RunSpec

    spec = json.loads((COMMITTED / "eb-ff-s0" / "run.json").read_text())["spec"]
    return RunSpec.from_json({**spec, "device": "tx2", "meters": ["none"]})


def test_help_is_quick_because_it_imports_nothing():
    code = (
        "import sys\nfrom energytrain.cli.main import run\nstatus = run(['report', '--help'])\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'pyarrow', 'rich', 'plotly', 'matplotlib'} & set(sys.modules)\n"
        "assert status == 0 and not heavy, (status, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--form", "--format", "--published", "--margin", "--html", "--figures", "--compare", "--recompute"):
        assert option in done.stdout


def test_the_choices_are_those_of_the_tables():
    from energytrain.cli import report_options as command
    from energytrain.reports.tables.forms import FORMS as forms
    from energytrain.reports.tables.written import FORMATS as formats

    assert command.FORMS == forms and command.FORMATS == formats
    assert set(command.SUFFIXES.values()) == set(formats)


def test_without_a_form_it_is_what_it_was(folder):
    one = report("runs/plain", cwd=folder)
    assert one.returncode == 0 and "spent in all" in one.stdout and "useful" in one.stdout
    several = report("runs", cwd=folder)
    assert several.returncode == 0 and "<script>" in several.stdout and "useful FLOPs" in several.stdout
    found = json.loads(report("runs", "--json", cwd=folder).stdout)
    assert {result["name"] for result in found} == {"plain", "<script>"} and found[0]["schema_version"]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_stands_alone_on_standard_output(here, form):
    done = here("runs", "--form", form, "--json")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    tables = json.loads(done.stdout)["tables"]
    assert tables and any(table["rows"] for table in tables)


def test_csv_is_of_figures_alone_and_notes_go_elsewhere(here):
    done = here("runs", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["run"] for row in rows} == {"plain", "<script>"} and float(rows[0]["useful_joules"]) > 0
    assert done.returncode == 0 and done.stderr.startswith("note: ")


@pytest.mark.parametrize(
    "suffix, begin",
    [
        (".md", "**"),
        (".csv", "table,row"),
        (".json", "{"),
        (".tex", "%"),
        (".html", "<!doctype html>"),
        (".txt", "Runs"),
    ],
)
def test_the_name_of_the_file_tells_the_format(here, tmp_path, suffix, begin):
    path = tmp_path / f"out{suffix}"
    done = here("runs", "--output", path)
    assert done.returncode == 0 and done.stdout == ""
    assert (
        path.read_text().startswith(begin)
        and "<script>" not in path.read_text().replace("&lt;", "")
        or suffix
        in (
            ".csv",
            ".json",
            ".txt",
        )
    )


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--published"], "--published has no effect here. Give --form table2 or --form table3"),
        (["--form", "runs", "--margin", "1"], "--margin has no effect here"),
        (["--form", "table2", "--target-accuracy", "90"], "--target-accuracy has no effect here"),
        (["--form", "table2", "--margin", "0"], "--margin"),
        (["--form", "table4"], "table4"),
        (["--output", "x.foo"], "does not tell a format"),
        (["--json", "--format", "csv"], "two formats"),
        (["--form", "runs", "--bill", "eb-paper"], "--bill is of the plain report"),
        (["--json", "--output", "x.csv"], "--json and the name 'x.csv' ask for two formats"),
        (["--details", "plain"], "--details is of the page"),
        (["--compare", "runs/plain", "runs/plain", "--form", "runs"], "--compare names both sides itself"),
    ],
)
def test_what_has_no_effect_is_refused(here, arguments, words):
    done = here(*([] if "--compare" in arguments else ["runs"]), *arguments)
    assert done.returncode == 2 and words in done.stderr and done.stdout == "", done.stderr
    assert "Traceback" not in done.stderr


def test_folders_that_cannot_be_read_are_named_skipped_and_told_by_the_status(here, tmp_path):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    done = here("runs", tmp_path / "damaged", "--form", "phases", "--json")
    assert done.returncode == 5 and "damaged" in done.stderr
    assert {row["cells"]["run"]["value"] for row in json.loads(done.stdout)["tables"][0]["rows"]} == {
        "plain",
        "<script>",
    }
    alone = here(tmp_path / "damaged", "--form", "runs")
    assert alone.returncode == 2 and "damaged" in alone.stderr and alone.stdout == ""
    shutil.copytree(tmp_path / "damaged", tmp_path / "more" / "one")
    shutil.copytree(tmp_path / "damaged", tmp_path / "more" / "two")
    none = here(tmp_path / "more", "--form", "table2")
    assert none.returncode == 5 and "Traceback" not in none.stderr


def test_a_folder_without_runs_is_told_as_well_and_how_many_were_skipped(here, tmp_path):
    (tmp_path / "empty").mkdir()
    done = here("runs", tmp_path / "empty", "--form", "runs", "--json")
    assert done.returncode == 5 and "empty: no run lies in it." in done.stderr and "were skipped" not in done.stderr
    assert len(json.loads(done.stdout)["tables"][0]["rows"]) == 2
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    assert "2 folders were skipped." in here("runs", tmp_path / "empty", tmp_path / "damaged").stderr


def test_a_file_that_cannot_be_written_is_a_sentence(here, tmp_path):
    (tmp_path / "file").write_text("")
    done = here("runs", "--output", tmp_path / "file" / "table.csv")
    assert done.returncode == 2 and "cannot write" in done.stderr and "internal" not in done.stderr
    assert here("runs", "--output", tmp_path / "new" / "table.csv").returncode == 0


def test_details_of_chosen_runs_are_in_the_page_and_the_figures_and_the_others_are_named(here, tmp_path):
    pytest.importorskip("plotly")
    pytest.importorskip("matplotlib")
    where = ["--html", tmp_path / "page.html", "--figures", tmp_path / "figures"]
    done = here("runs", *where, "--details", "runs/plain")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("1 of 2 runs have details of their own; without them: <script>.") == 1
    names = [path.name for path in (tmp_path / "figures").glob("*.png")]
    assert any(name.startswith("plain-") for name in names) and not any("script" in name for name in names)
    assert "without them" not in here("runs", "--html", tmp_path / "all.html").stderr


def test_a_page_and_figures_are_files_and_nothing_else_is_printed(here, tmp_path):
    pytest.importorskip("plotly")
    pytest.importorskip("matplotlib")
    done = here("runs", "--html", tmp_path / "page.html", "--details", "plain", "--figures", tmp_path / "figures")
    assert done.returncode == 0 and done.stdout == "", done.stderr
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>") and "page.html" in done.stderr
    names = {path.suffix for path in (tmp_path / "figures").rglob("*") if path.is_file()}
    assert names == {".png", ".svg"}
    unknown = here("runs", "--html", tmp_path / "other.html", "--details", "nobody")
    assert unknown.returncode == 2 and "nobody" in unknown.stderr and not (tmp_path / "other.html").exists()


def test_two_runs_are_compared(here):
    done = here("--compare", "runs/plain", "runs/<script>", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["tables"], done.stderr
    nothing = here("--compare", "runs/plain", "nowhere")
    assert nothing.returncode == 2 and "nowhere" in nothing.stderr


def test_results_whose_marks_are_gone_are_reported_on(here):
    for form in FORMS:
        done = here(COMMITTED, "--form", form, "--json")
        assert done.returncode == 0 and done.stderr == "", (form, done.stderr)
    layers = json.loads(done.stdout)["tables"]
    assert layers and all(not table["rows"] and "not kept" in table["notes"][0] for table in layers)


def test_recomputing_gives_the_same_figures(here):
    cached = here("runs", "--form", "phases", "--format", "csv")
    again = here("runs", "--form", "phases", "--format", "csv", "--recompute")
    assert cached.stdout == again.stdout and cached.stdout


@pytest.mark.parametrize("columns", [50, 80])
def test_a_terminal_is_never_overrun(folder, columns):
    """A real terminal, of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "energytrain", "report", "runs", "--form", "table2"],
        cwd=folder,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**{k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}, "TERM": "xterm"},
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    lines = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode()).splitlines()
    assert max(map(len, lines)) <= columns and any("eb-ff" in line for line in lines)
