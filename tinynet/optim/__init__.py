"""Optimisers, learning-rate schedules, gradient clipping and loss scaling."""

from tinynet.optim.adagrad import Adagrad
from tinynet.optim.adam import Adam, AdamW
from tinynet.optim.clip import clip_grad_norm, clip_grad_value
from tinynet.optim.loss_scaler import LossScaler
from tinynet.optim.one_cycle import OneCycleLR
from tinynet.optim.optimizer import Optimizer
from tinynet.optim.plateau import ReduceLROnPlateau
from tinynet.optim.rmsprop import RMSprop
from tinynet.optim.schedules import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearWarmup,
    MultiStepLR,
    Schedule,
    StepLR,
)
from tinynet.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearWarmup",
    "LossScaler",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
    "clip_grad_norm",
    "clip_grad_value",
]
