"""Kernel files that hold a number, nothing, nonsense, or that fail as a kernel lets them fail."""

from pathlib import Path

import pytest
from fakes.tegra import EACCES_FILE, EIO_FILE

from energytrain.meters.base import Reading
from energytrain.meters.kernel_files import read_number, read_text, reading_of, words_of


@pytest.mark.parametrize(
    ("text", "value"), [("0\n", 0.0), ("-38\n", -38.0), ("262143328850", 262143328850.0), ("  7 \n", 7.0)]
)
def test_a_number(tmp_path: Path, text: str, value: float) -> None:
    (tmp_path / "energy_uj").write_text(text)
    assert read_number(tmp_path / "energy_uj") == read_number(str(tmp_path / "energy_uj")) == value
    assert reading_of(lambda: read_number(tmp_path / "energy_uj")) == Reading(value)


@pytest.mark.parametrize("text", ["", "\n", "12 34\n", "0x1f\n", "-\n", "\xff\n", "<unsupported>\n"])
def test_what_is_no_number_is_said_with_the_file_s_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "curr1_input").write_text(text, encoding="latin-1")
    for named in (False, True):
        reading = reading_of(lambda: read_number(tmp_path / "curr1_input"), named)
        assert reading.value is None and str(reading.error).startswith("curr1_input says '")
        assert "could not convert" in str(reading.error)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (EIO_FILE, "Input/output error"),
        (EACCES_FILE, "Permission denied"),
        ("nothing", "No such file or directory"),
    ],
)
def test_a_failed_read_has_the_system_s_words_and_on_request_the_file_s_name(
    tmp_path: Path, target: str, words: str
) -> None:
    if target == EACCES_FILE and not Path(target).exists():
        pytest.skip("no file here refuses root")
    file = tmp_path / "in1_input"
    file.symlink_to(target)
    assert reading_of(lambda: read_number(file)) == Reading(None, words)
    assert reading_of(lambda: read_number(file), named=True) == Reading(None, f"in1_input: {words}")
    with pytest.raises(OSError) as caught:
        read_number(file)
    assert caught.value.filename == str(file) and words_of(caught.value) == words


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("1\n")
    (tmp_path / "bad").write_text("one\n")
    (tmp_path / "failing").symlink_to(EIO_FILE)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("good", "bad", "failing", "absent"):
        reading_of(lambda name=name: read_number(tmp_path / name))  # type: ignore[misc]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_other_failures_are_not_hidden() -> None:
    with pytest.raises(KeyError):
        reading_of(lambda: {}["watts"])


def test_text(tmp_path: Path) -> None:
    (tmp_path / "serial-number").write_bytes(b"1422919000000\0")
    (tmp_path / "rail_name_0").write_text("VDD_IN\n")
    (tmp_path / "odd").write_bytes(b"\xff\n")
    assert read_text(tmp_path / "serial-number") == "1422919000000" and read_text(tmp_path / "rail_name_0") == "VDD_IN"
    assert read_text(tmp_path / "odd") == "\ufffd"
    (tmp_path / "failing").symlink_to(EIO_FILE)
    assert read_text(tmp_path / "failing") == read_text(tmp_path / "absent") == ""
