"""The autograd core: tensors, operations as nodes of a graph, and the backward pass."""

from tinynet.autograd.anomaly import detect_anomaly
from tinynet.autograd.checkpoint import checkpoint, is_recomputing
from tinynet.autograd.engine import grad
from tinynet.autograd.function import Function
from tinynet.autograd.mode import enable_grad, is_grad_enabled, no_grad
from tinynet.autograd.precision import autocast
from tinynet.autograd.tensor import Tensor, as_tensor, from_dlpack, tensor

__all__ = [
    "Function",
    "Tensor",
    "as_tensor",
    "autocast",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "from_dlpack",
    "grad",
    "is_grad_enabled",
    "is_recomputing",
    "no_grad",
    "tensor",
]
