"""Texts of runs in pictures and in names of files."""

from hypothesis import given
from hypothesis import strategies as st

from energytrain.reports.stills.text import file_name, one_line, short, tick, wrapped


@given(st.text())
def test_one_line_holds_nothing_that_breaks_a_line_or_an_svg(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not any(c < " " or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff" or c in "\ufffe\u202e" for c in line)


@given(st.text(max_size=200), st.integers(5, 60))
def test_a_short_name_is_short_and_keeps_both_ends(text, letters):
    line, found = one_line(text), short(text, letters)
    assert len(found) <= letters and (found == line or (found[0] == line[0] and found[-1] == line[-1]))


@given(st.lists(st.text(max_size=150), max_size=8))
def test_names_of_files_are_plain_and_unique_for_any_file_system(texts):
    taken = set()
    names = [file_name(text, taken) for text in texts]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert name and not name.startswith(".") and len(name) < 70
        assert all(c.isascii() and (c.isalnum() or c in "._-") for c in name)


def test_ticks_are_never_zero_but_at_zero():
    values = [0.0, 3e-9, 0.00004, 0.002, 12.5, 1500.0, 99_999.0, 2.5e12, -3.0]
    assert [tick(value) for value in values] == [
        "0", "3e-09", "4e-05", "0.002", "12.5", "1,500", "99,999", "2.5 T", "-3",
    ]  # fmt: skip


def test_notes_are_wrapped_at_words():
    assert wrapped("a bc\nd", 4) == ["a bc", "d"] and wrapped("", 4) == []
