"""The command line as a person meets it: real processes, exit statuses, one sentence for a failure."""

import json
import subprocess
import sys

import pytest

SMALL = (
    "--dataset digits --width 0.0625 --limit 128 --epochs 3 --batch-size 64 --eps 1 --queue 1 --align 1 --meter none "
    "--device generic-cpu --compute cpu"
).split()


def energytrain(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "energytrain", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    done = energytrain("run", *SMALL, "--name", "one", cwd=path)
    assert done.returncode == 0, done.stderr
    return path


def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom energytrain.cli.main import run\nstatus = run(['--help'])\n"
        "heavy = {'torch', 'numpy', 'pandas', 'pyarrow', 'rich'} & set(sys.modules)\n"
        "assert status == 0 and not heavy, (status, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("run", "runs", "report", "devices", "methods"):
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize("command", [["run"], ["runs"], ["runs", "list"], ["report"], ["devices"], ["methods"]])
def test_every_command_has_help(command):
    done = energytrain(*command, "--help")
    assert done.returncode == 0 and "Usage: energytrain" in done.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["rum"], "unknown command 'rum'. Did you mean 'run'?"),
        (["run", "--methd", "dense"], "--method"),
        (["run", "--method", "eb-fff"], "unknown method 'eb-fff'. Did you mean 'eb-ff'?"),
        (["run", "--epochs", "many"], "--epochs"),
        (["run", "--prune-ratio", "1.5"], "--prune-ratio must lie between 0 and 1"),
        (["run", "--dataset", "cifar10", "--data-dir", "nowhere"], "--download"),
        (["run", "--config", "nowhere.yaml"], "the configuration 'nowhere.yaml' cannot be read"),
        (["report", "nowhere"], "there is no run 'nowhere'"),
        (["runs", "show", "nowhere"], "there is no run 'nowhere'"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_2(arguments, words, tmp_path):
    done = energytrain(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert list(tmp_path.iterdir()) == [], "nothing is written for a wrong command"


def test_debug_shows_the_traceback(tmp_path):
    done = energytrain("run", "--method", "eb-fff", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr and done.returncode != 0


def test_a_run_prints_plain_lines_into_a_pipe_and_its_table(folder):
    done = energytrain("run", *SMALL, "--name", "piped", cwd=folder)
    assert done.returncode == 0 and "\x1b" not in done.stdout
    assert "search     1/3  loss" in done.stdout and "useful" in done.stdout and "run folder: runs/piped" in done.stdout


def test_json_stands_alone_on_standard_output(folder):
    done = energytrain("run", *SMALL, "--name", "json", "--json", cwd=folder)
    result = json.loads(done.stdout)
    assert result["status"] == "done" and "search" in done.stderr
    for command in (["report", "json"], ["runs", "list"], ["runs", "show", "json"], ["devices"], ["methods"]):
        assert json.loads(energytrain(*command, "--json", cwd=folder).stdout), command


def test_the_same_command_says_that_the_run_is_done(folder):
    done = energytrain("run", *SMALL, "--name", "one", cwd=folder)
    assert done.returncode == 0 and "this run is done already" in done.stderr


def test_repeats_are_runs_of_their_own(folder):
    done = energytrain("run", *SMALL, "--epochs", "1", "--method", "dense", "--repeat", "2", "--json", cwd=folder)
    first, second = json.loads(done.stdout)
    assert first["identity"] != second["identity"] and first["accuracy"] == second["accuracy"]


def test_a_configuration_file_holds_any_options_and_the_command_line_wins(folder):
    (folder / "run.yaml").write_text("method: dense\nepochs: 2\nlr: 0.02\nmeter: none\n")
    arguments = [a for a in SMALL if a not in ("--meter", "none")]
    done = energytrain("run", "--config", "run.yaml", *arguments, "--epochs", "1", "--json", cwd=folder)
    spec = json.loads(done.stdout)["spec"]
    assert (spec["method"], spec["epochs"], spec["lr"], spec["meters"]) == ("dense", 1, 0.02, ["none"])
    (folder / "wrong.yaml").write_text("epoch: 2\n")
    wrong = energytrain("run", "--config", "wrong.yaml", cwd=folder)
    assert wrong.returncode == 2 and "Did you mean 'epochs'" in wrong.stderr


def test_runs_are_listed_compared_and_removed(folder):
    energytrain("run", *SMALL, "--name", "gone", "--method", "dense", cwd=folder)
    listed = energytrain("runs", "list", cwd=folder)
    assert listed.returncode == 0 and "gone" in listed.stdout and "one" in listed.stdout
    assert energytrain("report", "one", "gone", cwd=folder).returncode == 0
    assert energytrain("runs", "rm", "gone", "--yes", cwd=folder).returncode == 0
    assert not (folder / "runs" / "gone").exists()


def test_a_damaged_run_is_named_skipped_and_told_by_the_exit_status(folder):
    broken = folder / "runs" / "broken"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text("{")
    try:
        done = energytrain("report", cwd=folder)
        assert done.returncode == 5 and "skipped runs/broken" in done.stderr and "one" in done.stdout
    finally:
        (broken / "run.json").unlink()
        broken.rmdir()


def test_a_reader_that_goes_away_is_no_failure(folder):
    command = f"{sys.executable} -m energytrain runs list | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_a_reader_that_goes_away_does_not_end_the_training(folder):
    command = f"{sys.executable} -m energytrain run {' '.join(SMALL)} --name headless | head -n 1"
    subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    shown = energytrain("runs", "show", "headless", "--json", cwd=folder)
    assert json.loads(shown.stdout)["status"] == "done"


def test_a_run_that_cannot_be_written_fails_before_training(tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    done = energytrain("run", *SMALL, cwd=tmp_path)
    assert done.returncode == 2 and "cannot be written" in done.stderr
