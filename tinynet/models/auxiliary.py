"""What classifiers with auxiliary heads give in training, and the loss that joins their heads.

An auxiliary head is a small classifier on the features halfway through a deep network. In training its loss
brings gradients to the layers below by a short way; in inference it is left out.

Source: C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 5.
"""

from typing import NamedTuple

from tinynet import functional as F
from tinynet.autograd import Tensor

__all__ = ["WithAuxiliary", "auxiliary_loss"]


class WithAuxiliary(NamedTuple):
    """What a model with auxiliary heads gives in training; in inference it gives the logits alone.

    Attributes:
        logits: of the main head, (N, num_classes).
        auxiliary: a tuple of the logits of each auxiliary head, of the same shape.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...]

    @property
    def scores(self):
        """What metrics read: the logits of the main head."""
        return self.logits


def auxiliary_loss(output, labels, weight=0.3, loss=F.cross_entropy):
    """loss(main) + weight · Σ loss(auxiliary), or loss(main) alone for an output without auxiliary logits.

    So one function serves training and validation::

        trainer = tn.Trainer(models.GoogLeNet(), optimizer, models.auxiliary_loss)

    Args:
        output: a `WithAuxiliary`, or logits (N, num_classes) alone.
        labels: (N,) integers, or what else `loss` takes.
        weight: of each auxiliary loss; 0.3 is GoogLeNet's.
        loss: ``loss(logits, labels)``, a tensor of one element.
    """
    if not isinstance(output, WithAuxiliary):
        return loss(output, labels)
    total = loss(output.logits, labels)
    for logits in output.auxiliary:
        total = total + weight * loss(logits, labels)
    return total
