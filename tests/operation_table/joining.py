"""Joining, cutting and padding."""

import numpy as np

from operation_table.core import Operation, normal, sample
from tinynet import functional


def pad_reference(x, widths, mode="constant", value=0.0):
    return np.pad(x, widths, mode, **({"constant_values": value} if mode == "constant" else {}))


def torch_pad(torch, x, widths, mode="constant", value=0.0):
    pairs = np.broadcast_to(widths, (x.ndim, 2))[::-1].ravel().tolist()
    return torch.nn.functional.pad(x, pairs, value=value)


def torch_edge_pad(torch, x, widths, mode):
    """PyTorch pads only the last axes in these modes, and wants two more in front."""
    mode = {"edge": "replicate", "reflect": "reflect"}[mode]
    pairs = np.broadcast_to(widths, (x.ndim, 2))[::-1].ravel().tolist()
    return torch.nn.functional.pad(x[None, None], pairs, mode)[0, 0]


OPERATIONS = [
    Operation(
        "concatenate",
        (
            sample(normal(3, 4), normal(3, 2), normal(3, 1), axis=1),
            sample(normal(3, 2, 4), normal(3, 2, 4), axis=-1),
            sample(normal(3, 4), axis=1),
        ),
        lambda *arrays, axis: np.concatenate(arrays, axis),
        lambda torch, *tensors, axis: torch.cat(tensors, axis),
        lambda *tensors, axis: functional.concatenate(tensors, axis),
    ),
    Operation(
        "concatenate",
        (sample(normal(3, 2), normal(1, 2)),),
        lambda *arrays: np.concatenate(arrays),
        lambda torch, *tensors: torch.cat(tensors),
        lambda *tensors: functional.concatenate(tensors),
    ),
    Operation(
        "stack",
        tuple([sample(normal(3, 4), normal(3, 4), normal(3, 4), axis=axis) for axis in (0, 1, -1)]),
        lambda *arrays, axis: np.stack(arrays, axis),
        lambda torch, *tensors, axis: torch.stack(tensors, axis),
        lambda *tensors, axis: functional.stack(tensors, axis),
    ),
    Operation(
        "unbind",
        (sample(normal(3, 2, 4), axis=1), sample(normal(3, 4), axis=-1)),
        lambda x, axis: list(np.moveaxis(x, axis, 0)),
        lambda torch, x, axis: torch.unbind(x, axis),
    ),
    Operation(
        "split",
        (
            sample(normal(3, 6), sections=3, axis=1),
            sample(normal(3, 6), sections=[1, 4], axis=-1),
            sample(normal(3, 6), sections=[0, 2, 2], axis=1),
        ),
        lambda x, sections, axis: np.split(x, sections, axis),
        lambda torch, x, sections, axis: torch.tensor_split(x, sections, axis),
    ),
    Operation(
        "split",
        (sample(normal(4, 3), sections=2),),
        lambda x, sections: np.split(x, sections),
        lambda torch, x, sections: x.chunk(2),
    ),
    Operation(
        "chunk",
        (sample(normal(3, 7), chunks=3, axis=1), sample(normal(3, 4), chunks=8, axis=-1)),
        lambda x, chunks, axis: np.split(
            x, range(-(-x.shape[axis] // chunks), x.shape[axis], -(-x.shape[axis] // chunks)), axis
        ),
        lambda torch, x, chunks, axis: torch.chunk(x, chunks, axis),
    ),
    Operation(
        "pad",
        (
            sample(normal(3, 4), widths=2),
            sample(normal(3, 4), widths=(1, 2), value=-1.5),
            sample(normal(3, 4), widths=((0, 1), (2, 0)), mode="constant"),
        ),
        pad_reference,
        torch_pad,
    ),
    Operation(
        "pad",
        (
            sample(normal(3, 4), widths=2, mode="edge"),
            sample(normal(3, 4), widths=((1, 2), (3, 0)), mode="edge"),
            sample(normal(3, 4), widths=2, mode="reflect"),
            sample(normal(3, 4), widths=((2, 0), (1, 3)), mode="reflect"),
        ),
        pad_reference,
        torch_edge_pad,
        empty=None,
    ),
]
