import http.server
import os
import pickle
import struct
import tarfile
import threading
from functools import partial
from hashlib import md5

import numpy as np
import pytest
import torch

from energytrain.data.catalog import load
from energytrain.errors import UsageError

ROWS = 20
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def rows(number, count=ROWS):
    return np.random.default_rng(number).integers(0, 256, (count, 3072), dtype=np.uint8)


def labels(classes, count=ROWS):
    return [(7 * i + 3) % classes for i in range(count)]


def as_published(pixels, names, key=b"labels"):
    """The bytes of a batch as Python 2 wrote the official files: protocol 2, byte strings, numpy's old module names."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def integers(values):
        return b"](" + b"".join(b"K" + bytes([value]) for value in values) + b"e"

    data = pixels.tobytes()
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|")
    dtype += b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    shape = b"".join(b"J" + struct.pack("<i", size) for size in pixels.shape) + b"\x86"
    array += b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"
    return b"\x80\x02}(" + text(b"data") + array + text(key) + integers(names) + b"u."


def write(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol=2))


@pytest.fixture
def cifar10(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    for number in range(1, 6):
        write(folder, f"data_batch_{number}", as_published(rows(number), labels(10)))
    write(folder, "test_batch", as_published(rows(0), labels(10)))
    return tmp_path


def whole(part):
    batches = list(part.batches(0, 64))
    return torch.cat([images for images, _ in batches]), torch.cat([targets for _, targets in batches])


def refused(data_dir, name="cifar10", **options):
    with pytest.raises(UsageError) as error:
        load(name, data_dir=data_dir, **options)
    assert error.value.exit_status == 2
    assert "\n" not in str(error.value) and error.value.message.endswith(".")
    return str(error.value)


def test_files_as_published_are_read_pixel_by_pixel(cifar10):
    bundle = load("cifar10", data_dir=cifar10)
    assert (bundle.info.train_images, bundle.info.test_images, bundle.info.classes) == (5 * ROWS, ROWS, 10)
    images, targets = whole(bundle.train)
    pixels = np.concatenate([rows(n) for n in range(1, 6)]).reshape(-1, 3, 32, 32).astype(np.float64) / 255
    expected = (pixels - np.reshape(MEAN, (3, 1, 1))) / np.reshape(DEVIATION, (3, 1, 1))
    np.testing.assert_allclose(images.numpy(), expected, atol=1e-5)
    assert targets.tolist() == labels(10) * 5
    test_pixels = rows(0).reshape(-1, 3, 32, 32)[:, 0, 5, 7] / 255
    np.testing.assert_allclose(whole(bundle.test)[0][:, 0, 5, 7], (test_pixels - MEAN[0]) / DEVIATION[0], atol=1e-5)


def test_the_handwritten_bytes_are_what_pickle_itself_reads():
    content = pickle.loads(as_published(rows(1), labels(10)), encoding="bytes")
    assert np.array_equal(content[b"data"], rows(1)) and content[b"labels"] == labels(10)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("keys", [str, str.encode])
def test_batches_written_by_today_s_python_are_read(cifar10, protocol, keys):
    content = {keys("data"): rows(1), keys("labels"): np.array(labels(10)), keys("filenames"): [b"a.png"] * ROWS}
    write(cifar10 / "cifar-10-batches-py", "data_batch_1", pickle.dumps(content, protocol=protocol))
    content[keys("labels")] = list(content[keys("labels")])
    write(cifar10 / "cifar-10-batches-py", "data_batch_2", pickle.dumps(content, protocol=protocol))
    arrays = load("cifar10", data_dir=cifar10).train
    first, second = whole(arrays)[0][:ROWS], whole(arrays)[0][ROWS : 2 * ROWS]
    assert torch.equal(first, second)
    assert arrays.labels[: 2 * ROWS].tolist() == labels(10) * 2


def test_cifar100_is_read_with_its_fine_labels(tmp_path):
    folder = tmp_path / "cifar-100-python"
    content = {b"data": rows(1, 120), b"fine_labels": labels(100, 120), b"coarse_labels": [0] * 120}
    write(folder, "train", content)
    write(folder, "test", as_published(rows(2), labels(100), b"fine_labels"))
    bundle = load("cifar100", data_dir=tmp_path)
    assert bundle.train.labels.tolist() == labels(100, 120)
    assert (bundle.info.classes, len(bundle.test)) == (100, ROWS)


def test_the_folder_itself_may_be_named(cifar10):
    assert len(load("cifar10", data_dir=cifar10 / "cifar-10-batches-py").train) == 5 * ROWS


def test_training_images_are_padded_by_four_and_mirrored(cifar10):
    train = load("cifar10", data_dir=cifar10).train
    images = torch.cat([batch for batch, _ in train.batches(0, 50, train=True)])
    black = torch.tensor([-m / d for m, d in zip(MEAN, DEVIATION)]).view(1, 3, 1)
    top = ((images[:, :, :4] - black[..., None]).abs() < 1e-6).all(3).all(1)
    # Four rows of padding over the image are the least offset, one in nine.
    assert 0 < top.all(1).sum() < 40
    assert not ((images[:, :, 4] - black).abs() < 1e-6).all(2).all(1).any()


def test_a_missing_folder_names_it_and_the_options(tmp_path):
    message = refused(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere" / "cifar-10-batches-py") in message
    assert "--download" in message and "--data-dir" in message
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_file_is_named(cifar10):
    (cifar10 / "cifar-10-batches-py" / "data_batch_4").unlink()
    assert "data_batch_4' is missing" in refused(cifar10)


@pytest.mark.parametrize("keep", [0, 1, 10, 300, 0.5, -1])
def test_a_truncated_file_is_named(cifar10, keep):
    file = cifar10 / "cifar-10-batches-py" / "test_batch"
    raw = file.read_bytes()
    file.write_bytes(raw[: int(len(raw) * keep) if isinstance(keep, float) else keep])
    assert str(file) in refused(cifar10)


@pytest.mark.parametrize("content", [b"no pickle at all", b"\x89PNG\r\n\x1a\n", b"version https://git-lfs\n", b"]."])
def test_another_kind_of_file_is_named(cifar10, content):
    write(cifar10 / "cifar-10-batches-py", "data_batch_2", content)
    assert "data_batch_2" in refused(cifar10)


def good():
    return {b"data": rows(1), b"labels": labels(10)}


@pytest.mark.parametrize(
    "change, words",
    [
        ({b"labels": labels(10)[:-1]}, "20 images and 19 labels"),
        ({b"labels": [10] + labels(10)[1:]}, "label 10"),
        ({b"labels": [-1] + labels(10)[1:]}, "label -1"),
        ({b"labels": [1.5] + labels(10)[1:]}, "label 1.5"),
        ({b"labels": ["cat"] * ROWS}, "label cat"),
        ({b"labels": [True] * ROWS}, "label True"),
        ({b"labels": None}, "labels"),
        ({b"labels": np.arange(ROWS)}, "label 10"),
        ({b"labels": np.zeros(ROWS)}, "f8"),
        ({b"data": rows(1)[:, :3071]}, "3072"),
        ({b"data": rows(1).astype(np.int64)}, "3072"),
        ({b"data": np.array([object()], dtype=object).astype(str)}, "U"),
        ({b"data": [1, 2]}, "3072"),
        ({b"data": rows(1)[:0], b"labels": []}, "data_batch_3"),
    ],
)
def test_mislabelled_or_misshapen_data_is_named(cifar10, change, words):
    write(cifar10 / "cifar-10-batches-py", "data_batch_3", {**good(), **change})
    message = refused(cifar10)
    assert "data_batch_3" in message and words in message


def test_a_shape_that_does_not_fit_its_bytes_is_named(cifar10):
    raw = as_published(rows(1), labels(10)).replace(struct.pack("<i", ROWS) + b"J", struct.pack("<i", 2**30) + b"J")
    write(cifar10 / "cifar-10-batches-py", "data_batch_1", raw)
    assert "data_batch_1" in refused(cifar10)


class Payload:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def hostile(target):
    touch = f"touch '{target}'"
    return {
        "system": pickle.dumps({**good(), "extra": Payload(os.system, touch)}, protocol=2),
        "eval": pickle.dumps({**good(), "extra": Payload(eval, f"open({str(target)!r}, 'w')")}, protocol=4),
        "data itself": pickle.dumps({b"data": Payload(os.mkdir, str(target)), b"labels": labels(10)}, protocol=2),
        "old opcode": b"(S" + repr(touch).encode() + b"\nios\nsystem\n.",
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
    }


@pytest.mark.parametrize("kind", ["system", "eval", "data itself", "old opcode"])
def test_the_hostile_files_of_the_next_test_do_harm_where_nobody_guards(tmp_path, kind):
    pickle.loads(hostile(tmp_path / "harm")[kind])
    assert (tmp_path / "harm").exists()


@pytest.mark.parametrize("kind", ["system", "eval", "data itself", "old opcode", "dotted name"])
def test_a_hostile_file_runs_nothing_and_is_named(cifar10, tmp_path, kind):
    write(cifar10 / "cifar-10-batches-py", "data_batch_5", hostile(tmp_path / "harm")[kind])
    message = refused(cifar10)
    assert "data_batch_5" in message and "nothing was run" in message
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "content",
    [
        # An array of objects, a state given to a name, a persistent id, a name made an instance.
        pickle.dumps({b"data": np.array([[None]]), b"labels": [0]}, protocol=2),
        b"\x80\x02cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02U\x01aQ.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
    ],
)
def test_a_crafted_file_is_named(cifar10, content):
    write(cifar10 / "cifar-10-batches-py", "data_batch_5", content)
    assert "data_batch_5" in refused(cifar10)


def test_a_memo_place_that_would_take_gigabytes_is_refused(cifar10):
    write(cifar10 / "cifar-10-batches-py", "data_batch_5", b"\x80\x02}r\xff\xff\xff\x03.")
    assert "memo" in refused(cifar10)


def test_a_file_that_is_a_folder_is_named(cifar10):
    (cifar10 / "cifar-10-batches-py" / "data_batch_5").unlink()
    (cifar10 / "cifar-10-batches-py" / "data_batch_5").mkdir()
    assert "data_batch_5" in refused(cifar10)


def test_another_image_size_is_refused(cifar10):
    assert "32 pixels" in refused(cifar10, image_size=64)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A server on this machine, and the folder it serves."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def torchvision_cifar10():
    from energytrain.torchvision_bridge import load_torchvision

    return load_torchvision().datasets.CIFAR10


def test_download_fetches_checks_and_unpacks(cifar10, mirror, torchvision_cifar10, monkeypatch, tmp_path, capsys):
    folder, url = mirror
    archive = folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar10 / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(torchvision_cifar10, "url", f"{url}/{archive.name}")
    monkeypatch.setattr(torchvision_cifar10, "tgz_md5", md5(archive.read_bytes()).hexdigest())
    target = tmp_path / "target"
    bundle = load("cifar10", data_dir=target, download=True)
    assert torch.equal(whole(bundle.train)[0], whole(load("cifar10", data_dir=cifar10).train)[0])
    assert [path.name for path in target.iterdir()] == ["cifar-10-batches-py"]
    assert capsys.readouterr().out == ""
    archive.unlink()
    assert len(load("cifar10", data_dir=target, download=True).test) == ROWS


def test_a_download_with_another_checksum_is_refused(mirror, torchvision_cifar10, monkeypatch, tmp_path):
    folder, url = mirror
    (folder / "cifar-10-python.tar.gz").write_bytes(b"something else")
    monkeypatch.setattr(torchvision_cifar10, "url", f"{url}/cifar-10-python.tar.gz")
    message = refused(tmp_path / "target", download=True)
    assert "could not be fetched" in message and not (tmp_path / "target" / "cifar-10-batches-py").exists()


def test_without_a_network_the_download_says_so(mirror, torchvision_cifar10, monkeypatch, tmp_path):
    monkeypatch.setattr(torchvision_cifar10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    message = refused(tmp_path / "target", download=True)
    assert "127.0.0.1:9" in message and "Check the network" in message
