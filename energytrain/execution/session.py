"""The state of a run between two epochs: network, optimiser, search, ticket, mask, average, place in the recipe.

Everything here goes into a checkpoint and comes back from it bit for bit. Augmentation and order of the data are keyed
by seed, epoch and sample, so no position inside an epoch has to be kept.
"""

import zlib
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Union

import torch
from torch.optim.swa_utils import AveragedModel, update_bn

from ..data.batching import epoch_size
from ..data.catalog import DataBundle, Part
from ..methods.network import dense_network
from ..methods.phase_work import training_bill
from ..methods.phases import MaskDistance, Search, Train
from ..models.units import units_of
from ..precision.memory_format import lay_out
from ..pruning.early_bird import EarlyBird
from ..pruning.masks import Mask
from ..pruning.optimiser import carry_optimiser
from ..pruning.pseudo_prune import PseudoPruneSearch
from ..pruning.rebuild import rebuild
from ..pruning.ticket import Ticket
from ..pruning.weight_masks import WeightMask, apply_weight_mask, clear_momentum, pack_mask, unpack_mask
from ..quantities.ledger import NetworkBill
from ..runs.spec import RunSpec
from ..training.checkpoint import Checkpoint, CheckpointStore
from ..training.evaluate import EvalStats, evaluate
from ..training.loop import Batch, EpochStats, train_epoch
from ..training.optimiser import make_sgd
from ..training.reproducible import seed_everything
from ..training.schedule import Schedule
from ..training.state import pack, unpack
from .weights import initial_weights

_FRESH = 1 << 20  # added to the seed of a second start
_MASK, _AVERAGE = "mask.", "average."


class Session:
    """One run's training state. `phase` and `epoch` say what comes next."""

    def __init__(self, spec: RunSpec, data: DataBundle, device: torch.device, init_file: Optional[Path]) -> None:
        self.spec = spec
        self.data = data
        self.device = device
        self.phase = 0
        self.epoch: Optional[int] = None
        self.ticket: Optional[Ticket] = None
        self.weight_mask: Optional[WeightMask] = None
        self.draw_epoch: Optional[int] = None
        self.search: Union[EarlyBird, PseudoPruneSearch, None] = None
        self.average: Optional[AveragedModel] = None
        self.saved = 0
        seed_everything(spec.seed)
        self.model = self.build_dense(spec.seed)
        initial_weights(self.model, spec.init, init_file, spec.model)
        self._place()
        self.optimiser = self.new_optimiser()

    @property
    def role(self) -> str:
        """What the present network is: "dense", "masked" (of the dense one's size) or "ticket" (smaller)."""
        if self.ticket is not None:
            return "ticket"
        return "dense" if self.weight_mask is None else "masked"

    @property
    def image_shape(self) -> Any:
        """(channels, height, width) of one input image."""
        info = self.data.info
        return (info.channels, info.size, info.size)

    def build_dense(self, seed: int) -> torch.nn.Module:
        """The dense network, freshly initialised under `seed`."""
        torch.manual_seed(seed)
        return dense_network(self.spec, self.data.info)

    def dense_network(self, own: bool = False) -> torch.nn.Module:
        """A network of the size that there was before anything was pruned, own: never the present one; its weights mean
        nothing."""
        with torch.random.fork_rng(devices=()):
            return self.model if self.ticket is None and not own else dense_network(self.spec, self.data.info)

    def dense_widths(self) -> Dict[str, int]:
        """Channels of every prunable unit before anything was pruned."""
        if self.ticket is not None:
            return dict(self.ticket.widths)
        return {unit.name: unit.channels for unit in units_of(self.model)}

    @property
    def present(self) -> Dict[str, List[int]]:
        """The dense network's channels that the present one has, by unit."""
        if self.ticket is not None:
            return {name: list(kept) for name, kept in self.ticket.kept.items()}
        return {unit.name: list(range(unit.channels)) for unit in units_of(self.model)}

    def over_dense(self, mask: Mask) -> Mask:
        """A mask of the present network's channels as one of the dense network's."""
        present, widened = self.present, {}
        for name, width in self.dense_widths().items():
            widened[name] = torch.zeros(width, dtype=torch.bool)
            widened[name][present[name]] = mask[name]
        return widened

    def new_optimiser(self) -> torch.optim.Optimizer:
        spec = self.spec
        return make_sgd(self.model, spec.lr, spec.momentum, spec.weight_decay, spec.nesterov)

    def _place(self) -> None:
        self.model.to(self.device)
        lay_out(self.model, self.spec.channels_last)

    def start_search(self, rule: Search, l1: float) -> None:
        if isinstance(rule, MaskDistance):
            self.search = EarlyBird(
                self.model, ratio=rule.prune_ratio, l1=l1, eps=rule.eps, queue=rule.queue, rule=rule.rule
            )
        else:
            self.search = PseudoPruneSearch(rule.eps, rule.queue)

    def become_ticket(
        self, ticket: Ticket, weights: Optional[Dict[str, torch.Tensor]] = None, fresh: bool = False
    ) -> None:
        """Replace the network by `ticket`'s: its own channels' weights, `weights` from a file, or fresh ones.

        The ticket is the dense network's; where a round before has narrowed it, it must keep a part of what is left.
        """
        before, optimiser = self.model, self.optimiser
        if fresh or weights is not None:
            # A seed apart from the dense network's, so that a fresh ticket is no subset of the dense start.
            self.model = rebuild(self.build_dense(self.spec.seed + _FRESH), ticket)
            if weights is not None:
                self.model.load_state_dict(weights)
            self._place()
            self.optimiser = self.new_optimiser()
        else:
            cut = ticket if self.ticket is None else ticket.within(self.ticket)
            self.model = rebuild(before, cut)
            self._place()
            carry_optimiser(optimiser, before, self.model, cut)
        self.ticket = ticket
        self.draw_epoch = ticket.draw_epoch
        self.search = None

    def hold_weights(self, mask: WeightMask) -> None:
        """Set what `mask` drops to zero, with its momentum; training holds it there from now on."""
        self.weight_mask = mask
        apply_weight_mask(self.model, mask)
        clear_momentum(self.optimiser, self.model, mask)

    def rewind(self, kept: Optional[Checkpoint]) -> None:
        """Go back to weights and optimiser of `kept` (the dense network's), or to fresh ones; the pruning stays."""
        self.model = self.build_dense(self.spec.seed + _FRESH * (kept is None))
        self._place()
        self.optimiser = self.new_optimiser()
        if kept is not None:
            unpack(kept.tensors, kept.state["packed"], self.model, self.optimiser)
        ticket, self.ticket = self.ticket, None
        if ticket is not None:
            self.become_ticket(ticket)
        if self.weight_mask is not None:
            self.hold_weights(self.weight_mask)

    def train_epoch(
        self,
        model: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        schedule: Schedule,
        epoch: int,
        *,
        order: str,
        precision: str,
        data_epoch: Optional[int] = None,
        after_backward: Optional[Callable[[], object]] = None,
        on_step: Optional[Callable[[int], object]] = None,
    ) -> EpochStats:
        """Train `model` in place for `epoch` of `schedule`, on this run's training images.

        order: the phase whose order and augmentation the images have; data_epoch: which epoch of them, by default
        `epoch`.
        """
        spec = self.spec
        return train_epoch(
            model,
            self.train_batches(epoch if data_epoch is None else data_epoch, order),
            optimiser,
            schedule,
            epoch,
            steps=epoch_size(len(self.data.train), spec.batch_size)[1],
            precision=precision,
            master_weights=spec.master_weights,
            channels_last=spec.channels_last,
            after_backward=after_backward,
            on_step=on_step,
        )

    def train_batches(self, epoch: int, order: str) -> Iterator[Batch]:
        """The training images of `epoch` in the order and augmentation of the phase `order`."""
        spec, train = self.spec, self.data.train
        return train.batches(
            epoch,
            spec.batch_size,
            seed=self.order_seed(order),
            train=True,
            drop_last=epoch_size(len(train), spec.batch_size)[2],
            channels_last=spec.channels_last,
        )

    def evaluate(self, model: torch.nn.Module, part: Part, precision: str) -> EvalStats:
        """Loss and accuracy of `model` on a part of this run's data."""
        spec = self.spec
        batches = part.batches(0, spec.batch_size, channels_last=spec.channels_last)
        return evaluate(model, batches, precision=precision, channels_last=spec.channels_last)

    def take_into_average(self) -> None:
        """Take the present weights into the mean of an averaging, the first of which starts it."""
        if self.average is None:
            self.average = AveragedModel(self.model)
        self.average.update_parameters(self.model)

    def become_average(self, epoch: int, order: str, on_step: Callable[[int], object]) -> None:
        """Give the network the mean weights, and batch normalisations the statistics of the images of `epoch`."""
        assert self.average is not None
        self.model.load_state_dict(self.average.module.state_dict())
        lay_out(self.model, self.spec.channels_last, self.optimiser)

        def batches() -> Iterator[Batch]:
            for index, batch in enumerate(self.train_batches(epoch, order)):
                yield batch
                on_step(index)

        update_bn(batches(), self.model, self.device)
        self.average = None

    def undisturbed(self) -> ContextManager[Any]:
        """A context after which torch's random generators, which rounding draws from, are where they were before."""
        devices = [torch.cuda.current_device()] if self.device.type == "cuda" else []
        return torch.random.fork_rng(devices=devices)

    def order_seed(self, phase: str) -> int:
        """The seed of the data's order and augmentation in a phase; phases differ, so that none repeats another."""
        return (self.spec.seed << 32) | zlib.crc32(phase.encode())

    def bill(self, phase: Optional[Train] = None) -> NetworkBill:
        """What an image and a step of the present network cost, in `phase` with all that it adds to a step."""
        masked = None if self.weight_mask is None else sum(part.numel() for part in self.weight_mask.values())
        return training_bill(self.model, self.image_shape, self.spec, phase, masked)

    def save(self, store: CheckpointStore) -> None:
        """Write a checkpoint of everything above; atomic, and the one before it is kept."""
        tensors, packed = pack(self.model, self.optimiser)
        state: Dict[str, Any] = {"packed": packed, "phase": self.phase, "epoch": self.epoch}
        state["ticket"] = None if self.ticket is None else self.ticket.to_json()
        state["draw_epoch"] = self.draw_epoch
        state["search"] = None if self.search is None else self.search.state_dict()
        if self.average is not None:
            tensors.update({_AVERAGE + name: value for name, value in self.average.state_dict().items()})
        if self.weight_mask is not None:
            bits, state["weight_mask"] = pack_mask(self.weight_mask)
            tensors.update({_MASK + name: bits[name] for name in bits})
        self.saved += 1
        store.save(self.saved, tensors, state)

    def keep(self, store: CheckpointStore, epoch: int) -> None:
        """Keep the state before `epoch` of the first training for a later rewinding."""
        tensors, packed = pack(self.model, self.optimiser)
        store.save(epoch, tensors, {"packed": packed})

    def restore(self, checkpoint: Checkpoint, rule: Optional[Search], l1: float) -> None:
        """Come back to the state of `checkpoint`; `rule` is the search's, where a search was under way."""
        state = checkpoint.state
        if state["ticket"] is not None:
            self.ticket = Ticket.from_json(state["ticket"])
            self.model = rebuild(self.build_dense(self.spec.seed), self.ticket)
            self._place()
            self.optimiser = self.new_optimiser()
            self.draw_epoch = self.ticket.draw_epoch
        self.draw_epoch = state.get("draw_epoch", self.draw_epoch)
        unpack(checkpoint.tensors, state["packed"], self.model, self.optimiser)
        if state.get("weight_mask") is not None:
            self.weight_mask = unpack_mask(_under(_MASK, checkpoint), state["weight_mask"])
        average = _under(_AVERAGE, checkpoint)
        if average:
            self.average = AveragedModel(self.model)
            self.average.load_state_dict(average)
        if state["search"] is not None and rule is not None:
            self.start_search(rule, l1)
            assert self.search is not None
            self.search.load_state_dict(state["search"])
            if self.draw_epoch is None and self.spec.draw_epoch is None:  # a state from before it was kept
                self.draw_epoch = self.search.epoch
        self.phase, self.epoch, self.saved = int(state["phase"]), state["epoch"], checkpoint.number


def _under(prefix: str, checkpoint: Checkpoint) -> Dict[str, torch.Tensor]:
    return {name[len(prefix) :]: value for name, value in checkpoint.tensors.items() if name.startswith(prefix)}
