"""Sequences: CTC and recurrent layers, forward and backward through the graph, and a CRNN's training step.

    python -m benchmarks.sequences [--rounds 7] [--only NAME] [--full]

The training step is that of the documented network for reading words. PyTorch takes it in both of its memory
formats, with its fused Adam.
"""

import numpy as np

import tinynet as tn
from benchmarks.comparison import OURS, Comparison, check_agreement, run_alone
from benchmarks.place import as_numpy, has_pytorch, here, is_on_gpu, ours, theirs
from benchmarks.pytorch import channels_first, memory_formats, torch
from tinynet import functional as F
from tinynet import models, nn, optim

__all__ = ["comparisons", "crnn_steps", "ctc", "recurrent"]

GROUP = "sequences, forward + backward"

FLOAT_BYTES = 4

# Relative; PyTorch works with logarithms of probabilities, which leave three to four digits of float32.
TOLERANCE = 2e-3

RECURRENT_TOLERANCE = 1e-4

BATCH, COLUMNS, LONGEST_WORD = 16, 128, 10
LEARNING_RATE = 1e-4


def comparisons(full=False):
    """One comparison for each task."""
    tasks = [ctc(200, 64, 80, 40), ctc(31, 64, 63, 10), recurrent("LSTM", 100, 64, 128, 256)]
    tasks.append(Comparison(f"CRNN, batch {BATCH}", "sequences", crnn_steps, variant="training step"))
    if full:
        tasks += [recurrent("GRU", 100, 64, 128, 256), recurrent("RNN", 100, 64, 128, 256)]
        tasks.append(recurrent("LSTM", 100, 64, 128, 256, bidirectional=False))
    return tasks


def ctc(T, N, C, L):
    """The CTC loss of logits, softmax included: N sequences of T steps, C classes, L labels each."""
    return Comparison(
        f"CTC, {N}×{T}×{C}, {L} labels",
        GROUP,
        lambda: _ctc_candidates(T, N, C, L),
        bytes=2 * N * T * C * FLOAT_BYTES,
    )


def _ctc_candidates(T, N, C, L):
    generator = np.random.default_rng(0)
    scores = generator.standard_normal((N, T, C), dtype=np.float32)
    labels = generator.integers(1, C, (N, L))
    lengths = np.full(N, T), np.full(N, L)
    logits, targets = ours(scores, requires_grad=True), [ours(array) for array in (labels, *lengths)]

    def run():
        logits.grad = None
        loss = F.ctc_loss_with_logits(logits, *targets)
        loss.backward()
        return loss, logits.grad

    candidates = {OURS: run}
    if has_pytorch():
        arguments = [torch.tensor(array) for array in (labels, *lengths)]
        # PyTorch wants the lengths in main memory, and cuDNN the labels as well, one after the other.
        candidates["PyTorch"] = _ctc_in_pytorch(scores, theirs(arguments[0]), *arguments[1:])
        if is_on_gpu():
            targets_for_cudnn, *lengths = (array.int() for array in arguments)
            candidates["PyTorch, cuDNN"] = _ctc_in_pytorch(scores, targets_for_cudnn.flatten(), *lengths)
    results = {name: [as_numpy(part) for part in run()] for name, run in candidates.items()}
    for index in range(2):
        check_agreement({name: parts[index] for name, parts in results.items()}, TOLERANCE)
    return candidates


def _ctc_in_pytorch(scores, *targets):
    twin = theirs(scores.transpose(1, 0, 2).copy()).requires_grad_()

    def run():
        twin.grad = None
        loss = torch.nn.functional.ctc_loss(torch.log_softmax(twin, 2), *targets)
        loss.backward()
        return loss, twin.grad.transpose(0, 1)

    return run


def recurrent(kind, T, N, C, H, bidirectional=True):
    """A recurrent layer on N sequences of T steps, C features each, with H hidden units per direction."""
    directions = "two directions" if bidirectional else "one direction"
    columns = (1 + bidirectional) * _GATES[kind] * H
    return Comparison(
        f"{kind}, {N}×{T}×{C} → {H}, {directions}",
        GROUP,
        lambda: _recurrent_candidates(kind, (N, T, C), H, bidirectional),
        floating_operations=3 * 2 * N * T * (C + H) * columns,
    )


_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def _recurrent_candidates(kind, shape, hidden, bidirectional):
    generator = np.random.default_rng(0)
    array = generator.standard_normal(shape, dtype=np.float32)
    tn.manual_seed(0)
    layer = here(getattr(nn, kind)(shape[-1], hidden, bidirectional=bidirectional))
    gradient = generator.standard_normal((*shape[:2], hidden * layer.directions), dtype=np.float32)
    candidates = {OURS: _layer(layer, *map(ours, (array, gradient)))}
    if has_pytorch():
        twin = getattr(torch.nn, kind)(shape[-1], hidden, batch_first=True, bidirectional=bidirectional)
        twin = here(twin)
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                getattr(twin, name).copy_(torch.tensor(parameter.numpy().T.copy()))
        candidates["PyTorch"] = _layer(twin, *map(theirs, (array, gradient)))
    results = {name: [as_numpy(part) for part in run()] for name, run in candidates.items()}
    for index in range(2):
        check_agreement({name: parts[index] for name, parts in results.items()}, RECURRENT_TOLERANCE)
    return candidates


def _layer(layer, x, gradient):
    """Runs a layer of either library; gives its output and the gradient by its input."""
    x.requires_grad_()

    def run():
        x.grad = None
        for parameter in layer.parameters():
            parameter.grad = None
        y, _ = layer(x)
        y.backward(gradient)
        return y, x.grad

    return run


def crnn_steps(batch=BATCH, columns=COLUMNS, **options):
    """Candidates for a training step on images of so many columns; `options` are those of `models.CRNN`."""
    random = np.random.default_rng(0)
    images = random.standard_normal((batch, 32, columns, 1), np.float32)
    tn.manual_seed(0)
    model = here(models.CRNN(**options))
    label_lengths = random.integers(3, LONGEST_WORD + 1, batch)
    targets = random.integers(0, model.blank, (batch, LONGEST_WORD)), label_lengths
    weights = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    candidates = {OURS: _step_in_tinynet(model, images, *targets)}
    for name, memory_format in memory_formats().items():
        candidates[name] = _step_in_pytorch(weights, images, *targets, memory_format)
    losses = {name: np.array([step().item()]) for name, step in candidates.items()}
    check_agreement(losses, TOLERANCE)
    return candidates


def _step_in_tinynet(model, images, labels, label_lengths):
    optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)
    images, labels, label_lengths = map(ours, (images, labels, label_lengths))

    def step():
        optimizer.zero_grad()
        loss = model.loss(model(images), labels, target_lengths=label_lengths)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _step_in_pytorch(weights, images, labels, label_lengths, memory_format):
    from benchmarks import pytorch_twins

    model = here(pytorch_twins.crnn(weights).to(memory_format=memory_format))
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    x = channels_first(images, memory_format)
    labels, label_lengths = theirs(labels), torch.from_numpy(label_lengths)  # as its CTC wants them

    def step():
        optimizer.zero_grad(set_to_none=True)
        scores = torch.log_softmax(model(x), 2).transpose(0, 1)
        lengths = torch.full((len(x),), len(scores))
        loss = torch.nn.functional.ctc_loss(scores, labels, lengths, label_lengths, blank=scores.shape[2] - 1)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


if __name__ == "__main__":
    run_alone(__doc__, comparisons)
