"""tinynet: a neural-network engine written from scratch on NumPy and CuPy.

    import tinynet as tn
    from tinynet import nn, optim, functional as F

The core is imported at once; the other rooms (`nn`, `optim`, `data`, `models`, `training`, ...) on first use.
"""

import importlib

from tinynet import errors, functional
from tinynet.autograd import (
    Function,
    Tensor,
    as_tensor,
    autocast,
    checkpoint,
    detect_anomaly,
    enable_grad,
    from_dlpack,
    grad,
    is_grad_enabled,
    no_grad,
    tensor,
)
from tinynet.backend import (
    Device,
    Generator,
    cuda_is_available,
    default_device,
    default_dtype,
    default_generator,
    device,
    manual_seed,
    set_default_device,
    set_default_dtype,
)

__version__ = "0.1.0"

__all__ = [
    "CapturedStep",
    "Device",
    "Function",
    "Generator",
    "History",
    "Tensor",
    "Trainer",
    "as_tensor",
    "autocast",
    "backend",
    "checkpoint",
    "cuda_is_available",
    "data",
    "default_device",
    "default_dtype",
    "default_generator",
    "detect_anomaly",
    "device",
    "enable_grad",
    "errors",
    "explain_plan",
    "from_dlpack",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inspection",
    "is_grad_enabled",
    "manual_seed",
    "models",
    "nn",
    "no_grad",
    "optim",
    "recipes",
    "sequences",
    "set_default_device",
    "set_default_dtype",
    "summary",
    "tensor",
    "training",
    "vision",
]

_ROOMS = {"data", "inspection", "models", "nn", "optim", "recipes", "sequences", "training", "vision"}
_ELSEWHERE = {
    "CapturedStep": "tinynet.training",
    "History": "tinynet.training",
    "Trainer": "tinynet.training",
    "explain_plan": "tinynet.nn.convolution_plan",
    "gradcheck": "tinynet.autograd.gradcheck",
    "gradgradcheck": "tinynet.autograd.gradcheck",
    "summary": "tinynet.inspection",
}


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"tinynet.{name}")
    if name in _ELSEWHERE:
        value = getattr(importlib.import_module(_ELSEWHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'tinynet' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
