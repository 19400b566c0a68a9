"""The state of a run between two epochs: network, optimiser, search, ticket and place in the recipe.

Everything here goes into a checkpoint and comes back from it bit for bit. Augmentation and order of the data are keyed
by seed, epoch and sample, so no position inside an epoch has to be kept.
"""

import zlib
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import torch

from ..costs.bill import mask_work, network_bill
from ..data.catalog import DataBundle
from ..methods.network import dense_network
from ..methods.phases import MaskDistance, Train
from ..precision.memory_format import lay_out
from ..pruning.early_bird import EarlyBird
from ..pruning.optimiser import carry_optimiser
from ..pruning.rebuild import rebuild
from ..pruning.ticket import Ticket
from ..quantities.ledger import NetworkBill, WorkItem
from ..runs.spec import RunSpec
from ..training.checkpoint import Checkpoint, CheckpointStore
from ..training.optimiser import make_sgd
from ..training.reproducible import seed_everything
from ..training.state import pack, unpack
from .weights import initial_weights


class Session:
    """One run's training state. `phase` and `epoch` say what comes next."""

    def __init__(self, spec: RunSpec, data: DataBundle, device: torch.device, init_file: Optional[Path]) -> None:
        self.spec = spec
        self.data = data
        self.device = device
        self.phase = 0
        self.epoch: Optional[int] = None
        self.ticket: Optional[Ticket] = None
        self.search: Optional[EarlyBird] = None
        self.saved = 0
        seed_everything(spec.seed)
        self.model = self.build_dense(spec.seed)
        initial_weights(self.model, spec.init, init_file, spec.model)
        self._place()
        self.optimiser = self.new_optimiser()

    @property
    def image_shape(self) -> Any:
        """(channels, height, width) of one input image."""
        info = self.data.info
        return (info.channels, info.size, info.size)

    def build_dense(self, seed: int) -> torch.nn.Module:
        """The dense network, freshly initialised under `seed`."""
        torch.manual_seed(seed)
        return dense_network(self.spec, self.data.info)

    def new_optimiser(self) -> torch.optim.Optimizer:
        spec = self.spec
        return make_sgd(self.model, spec.lr, spec.momentum, spec.weight_decay, spec.nesterov)

    def _place(self) -> None:
        self.model.to(self.device)
        lay_out(self.model, self.spec.channels_last)

    def start_search(self, rule: MaskDistance, l1: float) -> None:
        self.search = EarlyBird(
            self.model, ratio=rule.prune_ratio, l1=l1, eps=rule.eps, queue=rule.queue, rule=rule.rule
        )

    def become_ticket(self, ticket: Ticket, weights: Optional[Dict[str, torch.Tensor]], fresh: bool) -> None:
        """Replace the network by `ticket`'s: its own channels' weights, `weights` from a file, or fresh ones."""
        dense, optimiser = self.model, self.optimiser
        if fresh or weights is not None:
            # A seed apart from the dense network's, so that a fresh ticket is no subset of the dense start.
            self.model = rebuild(self.build_dense(self.spec.seed + (1 << 20)), ticket)
            if weights is not None:
                self.model.load_state_dict(weights)
            self._place()
            self.optimiser = self.new_optimiser()
        else:
            self.model = rebuild(dense, ticket)
            self._place()
            carry_optimiser(optimiser, dense, self.model, ticket)
        self.ticket = ticket
        self.search = None

    def order_seed(self, phase: str) -> int:
        """The seed of the data's order and augmentation in a phase; phases differ, so that none repeats another."""
        return (self.spec.seed << 32) | zlib.crc32(phase.encode())

    def bill(self, l1: float) -> NetworkBill:
        return network_bill(self.model, self.image_shape, precision=self.spec.precision, l1=l1 > 0)

    def per_epoch(self, phase: Train) -> Tuple[WorkItem, ...]:
        """What a phase costs once an epoch beside its steps: the search's mask and distance."""
        return (mask_work(self.model),) if phase.until is not None else ()

    def save(self, store: CheckpointStore) -> None:
        """Write a checkpoint of everything above; atomic, and the one before it is kept."""
        tensors, packed = pack(self.model, self.optimiser)
        state: Dict[str, Any] = {"packed": packed, "phase": self.phase, "epoch": self.epoch}
        state["ticket"] = None if self.ticket is None else self.ticket.to_json()
        state["search"] = None if self.search is None else self.search.state_dict()
        self.saved += 1
        store.save(self.saved, tensors, state)

    def restore(self, checkpoint: Checkpoint, rule: Optional[MaskDistance], l1: float) -> None:
        """Come back to the state of `checkpoint`; `rule` is the search's, where a search was under way."""
        state = checkpoint.state
        if state["ticket"] is not None:
            self.ticket = Ticket.from_json(state["ticket"])
            self.model = rebuild(self.build_dense(self.spec.seed), self.ticket)
            self._place()
            self.optimiser = self.new_optimiser()
        unpack(checkpoint.tensors, state["packed"], self.model, self.optimiser)
        if state["search"] is not None and rule is not None:
            self.start_search(rule, l1)
            assert self.search is not None
            self.search.load_state_dict(state["search"])
        self.phase, self.epoch, self.saved = int(state["phase"]), state["epoch"], checkpoint.number
