import pytest
import torch

from energytrain.data.tensors import ImageArrays, TensorPart, tensor_parts
from energytrain.errors import UsageError

COUNT = 103


def part(flip=True, ids=None):
    """103 images of 8 x 8 whose label says which they are."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (COUNT, 8, 8, 3), dtype=torch.uint8, generator=generator)
    ids = torch.arange(COUNT) if ids is None else ids
    return TensorPart(images[ids], ids, ids, (0.01, 0.02, 0.03), (-1.0, 0.0, 1.0), pad=4, flip=flip)


def by_label(batches):
    """Label to image over all batches."""
    return {int(label): image for images, labels in batches for image, label in zip(images, labels)}


def labels_of(batches):
    return [labels.tolist() for _, labels in batches]


def same_images(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[label], second[label]) for label in first)


def test_an_epoch_holds_every_image_once():
    batches = list(part().batches(0, 10, train=True))
    assert [len(labels) for _, labels in batches] == [10] * 10 + [3] == [10] * (part().steps(10) - 1) + [3]
    assert sorted(label for _, labels in batches for label in labels.tolist()) == list(range(COUNT))


def test_the_last_short_batch_can_be_dropped():
    batches = list(part().batches(0, 10, train=True, drop_last=True))
    assert len(batches) == part().steps(10, drop_last=True) == 10
    assert all(len(labels) == 10 for _, labels in batches)


@pytest.mark.parametrize("batch_size", [1, 7, 64, COUNT])
@pytest.mark.parametrize("channels_last", [False, True])
def test_an_image_is_bit_identical_on_any_batch_size_and_layout(batch_size, channels_last):
    expected = by_label(part().batches(3, 32, seed=5, train=True))
    got = by_label(part().batches(3, batch_size, seed=5, train=True, channels_last=channels_last))
    assert same_images(expected, got)


@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_share_each_batch_of_a_single_process(world):
    whole = list(part().batches(1, 16, seed=2, train=True))
    ranks = [list(part().batches(1, 16, seed=2, train=True, rank=rank, world=world)) for rank in range(world)]
    assert {len(batches) for batches in ranks} == {len(whole)}
    for step, (images, labels) in enumerate(whole):
        assert torch.equal(torch.cat([batches[step][0] for batches in ranks]), images)
        assert torch.equal(torch.cat([batches[step][1] for batches in ranks]), labels)
        sizes = [len(batches[step][1]) for batches in ranks]
        assert max(sizes) - min(sizes) <= 1


def test_an_image_keeps_its_augmentation_when_others_are_left_out():
    expected = by_label(part().batches(4, 16, seed=1, train=True))
    few = by_label(part(ids=torch.arange(0, COUNT, 5)).batches(4, 16, seed=1, train=True))
    assert len(few) == 21
    assert all(torch.equal(image, expected[label]) for label, image in few.items())


def test_epochs_and_seeds_differ_and_repeat():
    shuffles = {(s, e): labels_of(part().batches(e, 16, seed=s, train=True)) for s in (0, 1) for e in (0, 1)}
    assert len({str(order) for order in shuffles.values()}) == 4
    assert labels_of(part().batches(1, 16, seed=0, train=True)) == shuffles[0, 1]
    first, second = (by_label(part().batches(epoch, 16, train=True)) for epoch in (0, 1))
    assert sum(torch.equal(first[label], second[label]) for label in first) < COUNT / 5


def test_a_part_used_twice_gives_the_same_again():
    used = part()
    first = by_label(used.batches(0, 16, train=True))
    assert same_images(by_label(used.batches(0, 16, train=True)), first)
    plain = by_label(used.batches(0, 16))
    assert same_images(plain, by_label(part().batches(0, 16)))


def test_augmented_images_are_crops_of_the_image_or_its_mirror():
    plain = by_label(part().batches(0, 16))
    augmented = by_label(part().batches(0, 16, train=True))
    black = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1)
    mirrored = 0
    for label, image in augmented.items():
        found = set()
        for name, source in (("as it is", plain[label]), ("mirrored", plain[label].flip(2))):
            padded = black.expand(3, 16, 16).clone()
            padded[:, 4:12, 4:12] = source
            windows = padded.unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4)
            if (windows == image).flatten(2).all(2).any():
                found.add(name)
        assert found
        mirrored += found == {"mirrored"}
    assert COUNT / 4 < mirrored < 3 * COUNT / 4


def test_evaluation_keeps_the_order_and_the_image():
    assert labels_of(part().batches(0, 50)) == [list(range(50)), list(range(50, 100)), list(range(100, COUNT))]
    assert same_images(by_label(part().batches(0, 50)), by_label(part().batches(9, 7, seed=3)))


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(part().batches(0, 16, train=True))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "request_, words",
    [
        (dict(batch_size=COUNT + 1, train=True), "larger than the 103"),
        (dict(batch_size=0), "batch size of 0"),
        (dict(batch_size=4, rank=2, world=2), "rank 2 of 2"),
        (dict(batch_size=2, train=True, world=3), "of 3"),
    ],
)
def test_a_batch_that_cannot_be_made_is_refused_at_once(request_, words):
    with pytest.raises(UsageError, match=words):
        part().batches(0, **request_)


def test_a_large_batch_is_fine_for_evaluation():
    assert [len(labels) for _, labels in part().batches(0, 1000)] == [COUNT]


def arrays():
    labels = torch.arange(200) % 10
    images = torch.arange(200).view(200, 1, 1, 1).expand(200, 4, 4, 1).to(torch.float32)
    return ImageArrays(images, labels, images[:30], labels[:30], (1.0,), (0.0,), pad=1, flip=False)


def values(tensor_part):
    return {int(image[0, 0, 0]) for images, _ in tensor_part.batches(0, 64) for image in images}


def test_the_limit_is_the_same_for_all_seeds_and_validation_is_not():
    chosen = []
    for seed in (0, 1):
        train, validation, test = tensor_parts(arrays(), 100, 0.2, seed, "cpu")
        assert (len(train), len(validation), len(test)) == (80, 20, 30)
        assert torch.bincount(train.labels).tolist() == [8] * 10
        assert torch.bincount(validation.labels).tolist() == [2] * 10
        assert not values(train) & values(validation)
        chosen.append((values(train) | values(validation), values(validation), values(test)))
    assert chosen[0][0] == chosen[1][0] == values(tensor_parts(arrays(), 100, 0.0, 7, "cpu")[0])
    assert chosen[0][1] != chosen[1][1]
    assert chosen[0][2] == chosen[1][2] == set(range(30))


def test_ids_are_places_in_the_whole_training_part():
    train, validation, _ = tensor_parts(arrays(), 50, 0.1, 0, "cpu")
    assert set(train.ids.tolist()) == values(train)
    assert set(validation.ids.tolist()) == values(validation)


def test_no_validation_share_no_validation_part():
    train, validation, _ = tensor_parts(arrays(), None, 0.0, 0, "cpu")
    assert validation is None and len(train) == 200
