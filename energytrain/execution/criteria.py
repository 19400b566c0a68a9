"""Which channels a criterion keeps, in a network that may have been narrowed by a round before."""

from typing import Dict, Mapping, Optional, Tuple

import torch
from torch import Tensor

from ..data.splits import limited
from ..methods.phase_work import saliency_images, thinet_images, thinet_locations
from ..methods.phases import Prune
from ..pruning.filter_rates import rates_named
from ..pruning.filters import filter_norms, per_layer_mask
from ..pruning.masks import Mask, bn_scores, global_mask
from ..pruning.saliency import snip_channel_scores
from ..pruning.thinet import layer_counts, thinet
from .session import Session


def channel_mask(session: Session, phase: Prune) -> Tuple[Mask, Optional[Dict[str, Tensor]]]:
    """The mask by `phase.choose` over the dense network's channels, and the scores behind it where it is a global one.

    "thinet" also rescales the weights of the session's network, as its least-squares step does.
    """
    ratio = phase.prune_ratio
    assert ratio is not None
    if phase.choose in ("bn-scale", "snip"):
        ranked = bn_scores(session.model) if phase.choose == "bn-scale" else _saliency(session)
        scores = _over_dense(session, ranked)
        return global_mask(scores, ratio), scores
    if phase.choose in ("l1-filters", "l2-filters"):
        return session.over_dense(_filters(session, phase.choose, ratio)), None
    info = session.data.info
    rescaled, mask = thinet(
        session.model,
        images_of_each_class(session, thinet_images(session.spec, info)),
        layer_counts(session.dense_network(), ratio),
        locations=thinet_locations(session.spec, info),
        batch_size=session.spec.batch_size,
        seed=session.spec.seed,
    )
    session.model.load_state_dict(rescaled.state_dict())
    return session.over_dense(mask), None


def first_batch(session: Session, count: int) -> Tuple[Tensor, Tensor]:
    """A training batch of `count` images, augmented as in training, and their labels."""
    batches = session.data.train.batches(0, count, seed=session.order_seed("choose"), train=True)
    images, labels = next(iter(batches))
    return images.to(session.device), labels.to(session.device)


def images_of_each_class(session: Session, count: int) -> Tensor:
    """`count` training images as for evaluation, of every class as many (to one) while the classes last."""
    wanted = torch.from_numpy(limited(session.data.train.labels.cpu().numpy(), count))
    chosen, start = [], 0
    for images, labels in session.data.train.batches(0, session.spec.batch_size):
        here = wanted[(wanted >= start) & (wanted < start + len(labels))] - start
        chosen.append(images[here.to(images.device)].to(session.device))
        start += len(labels)
    return torch.cat(chosen)


def _saliency(session: Session) -> Dict[str, Tensor]:
    return snip_channel_scores(session.model, *first_batch(session, saliency_images(session.spec, session.data.info)))


def _filters(session: Session, choose: str, ratio: float) -> Mask:
    """Per layer, by the norm of a filter: L2 as soft pruning ranks them, L1 by one rate or by published ones."""
    model, widths, named = session.model, session.dense_widths(), session.spec.filter_rates
    norms = filter_norms(model, 2 if choose == "l2-filters" else 1)
    if named is None:
        return per_layer_mask(norms, ratio, model, of=widths)
    return per_layer_mask(norms, rates_named(session.spec.model, named), model, rounding="up", of=widths)


def _over_dense(session: Session, scores: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """Scores of the present channels among those of the dense network; what is gone ranks below everything."""
    if session.ticket is None:
        return {name: values.detach().cpu() for name, values in scores.items()}
    widened = {}
    for name, kept in session.ticket.kept.items():
        widened[name] = torch.full((session.ticket.widths[name],), -1.0)
        widened[name][list(kept)] = scores[name].detach().cpu().float()
    return widened
