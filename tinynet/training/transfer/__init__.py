"""Transfer learning: a network that was trained for one task, used for another with little data.

All layers frozen, and a shallow network on features that are computed once and kept on disk::

    features = FeatureCache("features.safetensors").features(network, images, "pool")
    scores = cross_validate(LogisticRegression(), features, labels, folds=5)

Some layers frozen, and the others trained on::

    freeze(network, until="blocks.10")
    trainer.fit(images, labels)

No layers frozen: `unfreeze`, and training with a small learning rate.
"""

from tinynet.training.transfer.cross_validation import cross_validate, folds_of
from tinynet.training.transfer.feature_cache import FeatureCache
from tinynet.training.transfer.freezing import freeze, unfreeze
from tinynet.training.transfer.logistic_regression import LogisticRegression

__all__ = [
    "FeatureCache",
    "LogisticRegression",
    "cross_validate",
    "folds_of",
    "freeze",
    "unfreeze",
]
