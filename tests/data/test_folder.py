import pytest

from energytrain.data.catalog import info
from energytrain.data.folder import scan
from energytrain.errors import UsageError


def make(root, classes, count=3, suffix=".jpg"):
    """Class folders with empty files: scanning opens no image."""
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}{suffix}").touch()


def names(part):
    return ["/".join(path.split("/")[-2:]) for path, _ in part]


def refused(folder):
    with pytest.raises(UsageError) as error:
        scan(folder)
    assert "\n" not in str(error.value) and error.value.exit_status == 2
    return str(error.value)


def test_imagenet_s_layout(tmp_path):
    make(tmp_path / "train", ["dog", "cat"])
    make(tmp_path / "val", ["cat", "dog"], count=2, suffix=".JPEG")
    (tmp_path / "train" / "classes.txt").touch()
    (tmp_path / "train" / ".cache").mkdir()
    (tmp_path / "train" / "cat" / "notes.txt").touch()
    layout = scan(tmp_path)
    assert layout.classes == ("cat", "dog")
    assert names(layout.train) == [f"{c}/{n}.jpg" for c in ("cat", "dog") for n in range(3)]
    assert [label for _, label in layout.train] == [0, 0, 0, 1, 1, 1]
    assert names(layout.test) == ["cat/0.JPEG", "cat/1.JPEG", "dog/0.JPEG", "dog/1.JPEG"]


def test_images_deeper_in_a_class_folder_are_found(tmp_path):
    make(tmp_path / "train" / "cat", ["b", "a"], count=1)
    make(tmp_path / "val", ["cat"], count=1, suffix=".png")
    assert names(scan(tmp_path).train) == ["a/0.jpg", "b/0.jpg"]


def test_a_single_folder_is_split_once_and_for_all(tmp_path):
    make(tmp_path, ["a", "b"], count=50)
    layout = scan(tmp_path)
    assert [sum(label == k for _, label in layout.test) for k in (0, 1)] == [10, 10]
    assert len(set(layout.train) | set(layout.test)) == 100 == len(layout.train) + len(layout.test)
    assert scan(tmp_path) == layout


def test_info_of_a_folder_needs_no_image(tmp_path):
    make(tmp_path / "train", ["a", "b", "c"], count=10)
    make(tmp_path / "val", ["a", "b", "c"], count=4)
    known = info("folder", data_dir=tmp_path, limit=20, validation=0.25, image_size=64)
    assert (known.classes, known.channels, known.size) == (3, 3, 64)
    assert (known.train_images, known.validation_images, known.test_images) == (15, 5, 12)
    assert info("folder", data_dir=tmp_path).size == 224


def test_a_missing_folder(tmp_path):
    assert "nowhere" in refused(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path):
    assert "no folder of a class" in refused(tmp_path)


@pytest.mark.parametrize("present, absent", [("train", "val"), ("val", "train")])
def test_one_part_without_the_other(tmp_path, present, absent):
    make(tmp_path / present, ["a"])
    assert f"no folder '{absent}'" in refused(tmp_path)


def test_a_class_that_only_one_part_has(tmp_path):
    make(tmp_path / "train", ["a", "b"])
    make(tmp_path / "val", ["a", "b", "extra"])
    assert "'extra' is in 'val' and not in 'train'" in refused(tmp_path)
    make(tmp_path / "train", ["extra", "another"])
    assert "'another' is in 'train' and not in 'val'" in refused(tmp_path)


def test_a_class_without_images(tmp_path):
    make(tmp_path / "train", ["a", "b"])
    make(tmp_path / "val", ["a"])
    (tmp_path / "val" / "b").mkdir()
    (tmp_path / "val" / "b" / "list.txt").touch()
    message = refused(tmp_path)
    assert str(tmp_path / "val" / "b") in message and "no image" in message


def test_too_few_images_to_split(tmp_path):
    make(tmp_path, ["a", "b"], count=1)
    assert "too few images" in refused(tmp_path)
