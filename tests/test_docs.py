"""The documents say what is so: their code runs, their commands have these options, their links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, NamedTuple, Tuple

import click
import pytest

from energytrain.cli.main import group
from energytrain.errors import UsageError
from energytrain.execution.resolve import resolve

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUNNABLE = "<!-- runnable -->"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a command may not be resolved with here: these read files that only the reader has.
READS_FILES = ("ticket", "like", "init")


class Block(NamedTuple):
    document: Path
    line: int
    language: str
    text: str
    runnable: bool


class Command(NamedTuple):
    document: Path
    line: int
    arguments: List[str]


def blocks() -> Iterator[Block]:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            before = text[: found.start()].rstrip("\n")
            runnable = before.endswith(RUNNABLE)
            yield Block(document, before.count("\n") + 1, found.group(1), found.group(2), runnable)


def commands() -> Iterator[Command]:
    """Command lines in fenced blocks (a line of its own, perhaps behind `$ `) and in inline code."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8").replace("\\\n", " ")
        prose = FENCE.sub(lambda found: "\n" * found.group(0).count("\n"), text)
        for found in re.finditer(r"`(energytrain [^`]+)`", prose):
            yield Command(document, prose[: found.start()].count("\n") + 1, words(found.group(1)))
        for block in FENCE.finditer(text):
            first = text[: block.start(2)].count("\n") + 1
            for number, line in enumerate(block.group(2).splitlines()):
                found = re.match(r"(?:\$ )?(?:python -m )?(energytrain .*)", line)
                if found and block.group(1) in ("", "sh", "bash", "console"):
                    yield Command(document, first + number, words(found.group(1)))


def words(line: str) -> List[str]:
    return shlex.split(" ".join(line.split()), comments=True)[1:]


def context(arguments: List[str]) -> click.Context:
    """The command that `arguments` name, with its arguments parsed; click's error for what it does not know."""
    command: click.Command = group
    name, parent = "energytrain", None
    while isinstance(command, click.Group):
        if command.invoke_without_command and arguments[:1] in ([], ["--"]):  # a group that is a command as well
            break
        parent = click.Context(command, parent=parent, info_name=name)
        assert arguments and not arguments[0].startswith("-"), "no command is named"
        name, *arguments = arguments
        found = command.get_command(parent, name)
        assert found is not None, f"there is no command '{name}'"
        command = found
    return command.make_context(name, list(arguments), parent=parent, resilient_parsing="--help" in arguments)


def named(item: Tuple[Path, int]) -> str:
    return f"{item[0].relative_to(ROOT)}:{item[1]}"


@pytest.fixture(scope="module")
def folder_with_a_run(tmp_path_factory) -> Path:
    """A folder as the README's reader has it behind `make demo`: a small run lies in runs/demo."""
    folder = tmp_path_factory.mktemp("reader")
    small = "run --name demo --epochs 1 --limit 64 --width 0.125 --method dense --meter none --quiet".split()
    done = subprocess.run([sys.executable, "-m", "energytrain", *small], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


EXAMPLES = [block for block in blocks() if block.language == "python" and block.runnable]


@pytest.mark.parametrize("block", EXAMPLES, ids=[named(block[:2]) for block in EXAMPLES])
def test_an_example_runs(block: Block, folder_with_a_run: Path) -> None:
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", block.text]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder_with_a_run, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "an example shows something"


def test_the_examples_show_all_public_names() -> None:
    import energytrain

    shown = "\n".join(block.text for block in EXAMPLES)
    assert [name for name in energytrain.__all__ if name[0] != "_" and f"energytrain.{name}" not in shown] == []


COMMANDS = list(commands())


def test_the_commands_were_found() -> None:
    assert len(COMMANDS) > 10
    assert {command.document.name for command in COMMANDS} >= {"README.md", "measuring.md"}


def check(arguments: List[str]) -> None:
    """Raises where the command, an option of it or, of `energytrain run`, a value is not what there is."""
    parsed = context(arguments)
    if parsed.command_path != "energytrain run" or parsed.resilient_parsing:
        return
    options = {name: value for name, value in parsed.params.items() if name not in ("as_json", "quiet", "debug")}
    if any(options[name] for name in READS_FILES) or options["dataset"] == "folder" or options["compute"] == "cuda":
        return
    resolve(options)


@pytest.mark.parametrize("command", COMMANDS, ids=[named(command[:2]) for command in COMMANDS])
def test_a_command_has_the_options_and_values_it_is_shown_with(command: Command) -> None:
    check(command.arguments)


@pytest.mark.parametrize(
    "line",
    [
        "energytrain no-such-command",
        "energytrain run --no-such-option",
        "energytrain runs list --recompute",
        "energytrain run --epochs x",
        "energytrain run --method random-tickets",
        "energytrain run --device tx3",
    ],
)
def test_a_command_that_does_not_exist_would_be_seen(line: str) -> None:
    with pytest.raises((click.UsageError, UsageError, AssertionError)):
        check(words(line))


def anchors(document: Path) -> List[str]:
    """The anchors of a document's headings, as the usual renderers make them."""
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", document.read_text(encoding="utf-8"))):
        path, _, anchor = target.partition("#")
        place = document if not path else document.parent / path
        if not re.match(r"\w+:", target):
            if not place.exists() or (anchor and anchor not in anchors(place)):
                broken.append(target)
    assert broken == []


def test_every_file_of_the_package_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    unnamed = []
    for path in sorted((ROOT / "energytrain").rglob("*.py")):
        if path.name == "__init__.py":
            continue
        room, *rest = path.relative_to(ROOT / "energytrain").parts
        title = next((title for title in sections if room in re.split(r"[:,]? ", title.split(":")[0])), None)
        if not rest:
            title, rest = "At the top of the package", [room]
        names = {"/".join(rest), "/".join((room, *rest))}
        if title is None or not any(f"`{name}`" in sections[title] for name in names):
            unnamed.append("/".join((room, *rest)) if rest != [room] else room)
    assert unnamed == []


def test_the_documents_name_no_host() -> None:
    for document in DOCUMENTS:
        assert re.findall(r"https?://", document.read_text(encoding="utf-8")) == [], document.name
