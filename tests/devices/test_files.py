"""Where profiles and setups are found, and how their YAML is read."""

import pytest

from energytrain.devices import files
from energytrain.errors import UsageError


@pytest.fixture()
def package(tmp_path):
    """An empty package as it lies in a checkout, with one profile beside it."""
    package = tmp_path / "checkout" / "energytrain"
    package.mkdir(parents=True)
    (tmp_path / "checkout" / "profiles").mkdir()
    (tmp_path / "checkout" / "profiles" / "board.yaml").write_text("name: outside\n")
    return package


def test_a_checkout_has_them_beside_the_package(package):
    assert files.names("profile", package) == ("board",)
    assert files.read_yaml(files.find("profile", "board", package)) == {"name": "outside"}


def test_a_wheel_has_them_inside_and_never_looks_beside_itself(package):
    (package / "_profiles").mkdir()
    (package / "_profiles" / "inside.yaml").write_text("name: inside\n")
    assert files.names("profile", package) == ("inside",)


def test_an_installation_without_them_says_so(package):
    with pytest.raises(UsageError, match="has no device_setups"):
        files.names("device_setup", package)


def test_the_repositorys_own_are_found():
    assert {"tx2", "generic-cpu"} <= set(files.names("profile"))
    assert {"tx2", "nvidia-gpu", "generic-cpu"} <= set(files.names("device_setup"))


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UsageError, match="unknown device 'tx3'. Did you mean 'tx2'"):
        files.find("device_setup", "tx3")


def test_a_path_is_taken_as_it_is(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: 1\n")
    assert files.find("profile", str(path)) == path
    with pytest.raises(UsageError, match="there is no file"):
        files.find("profile", str(tmp_path / "other.yaml"))


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e9", 1e9),
        ("6.656e+11", 6.656e11),
        ("5.0e-5", 5e-5),
        ("-2E3", -2000.0),
        ("0.5", 0.5),
        ("2017-03-25", "2017-03-25"),
        ("2026-11", "2026-11"),
        ("e9", "e9"),
        ("1e", "1e"),
        ("12", 12),
        ("true", True),
    ],
)
def test_numbers_are_numbers_and_dates_are_text(tmp_path, text, value):
    path = tmp_path / "a.yaml"
    path.write_text(f"key: {text}\n")
    read = files.read_yaml(path)["key"]
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    "text, said",
    [
        (b"a: [1", "not a YAML file"),
        (b"\xff\xfe\xfa", "not a YAML file"),
        (b"a: 1\nb: 2\na: 3\n", "the key 'a' stands twice"),
        (b"a: !!python/object/apply:os.system ['true']\n", "not a YAML file"),
    ],
)
def test_a_bad_file_is_one_sentence_and_runs_nothing(tmp_path, text, said):
    path = tmp_path / "bad.yaml"
    path.write_bytes(text)
    with pytest.raises(UsageError, match=said) as caught:
        files.read_yaml(path)
    assert "bad.yaml" in caught.value.message and "\n" not in caught.value.message
