"""What recipes are put together from: builders of models, optimisers and schedules."""

from tinynet import models, optim

__all__ = ["adamw", "model_named", "momentum", "one_cycle"]


def model_named(name, **options):
    """``model(input_shape, num_classes)`` that makes the model of this name, see `models.create_for`."""
    return lambda input_shape, classes: models.create_for(name, input_shape, num_classes=classes, **options)


def adamw(weight_decay):
    """``optimizer(parameters, learning_rate)``: Adam with so much weight decay."""
    return lambda parameters, rate: optim.AdamW(parameters, lr=rate, weight_decay=weight_decay)


def momentum(weight_decay):
    """``optimizer(parameters, learning_rate)``: momentum 0.9 and so much weight decay."""
    return lambda parameters, rate: optim.SGD(parameters, lr=rate, momentum=0.9, weight_decay=weight_decay)


def one_cycle(optimizer, learning_rate, total_steps):
    """Up to the learning rate and far down again in `total_steps`; see `optim.OneCycleLR`."""
    return optim.OneCycleLR(optimizer, max_lr=learning_rate, total_steps=total_steps)
