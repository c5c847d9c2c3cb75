"""`Trainer`: fit, evaluate and predict."""

from contextlib import closing, nullcontext

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor, no_grad
from tinynet.autograd import autocast as precision_block
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.conversion import widened
from tinynet.optim import LossScaler, clip_grad_norm
from tinynet.training.batches import Placement, as_loader, batches_between, samples_in
from tinynet.training.callbacks import ScheduleCallback
from tinynet.training.fit import Fit, check_counts, modes_kept
from tinynet.training.graphs import CapturedStep
from tinynet.training.loss_watch import LossWatch
from tinynet.training.metrics import fresh, resolve_metrics
from tinynet.training.progress import Progress
from tinynet_kernels.notices import watched_compilation

__all__ = ["Trainer"]


class Trainer:
    """Trains a model, and measures and uses it.

    Data are arrays, a data set, an `ImageSplit` or a `DataLoader`. A batch is a tuple: its first element
    goes through the model, the loss and the metrics get the output and the other elements. Floating-point
    inputs are converted to the dtype of the model's parameters, and uint8 inputs, taken for pixels, to
    that dtype and the range from 0 to 1; other inputs, and targets, keep their dtype.

    Args:
        model: the `nn.Module`.
        optimizer: the optimiser of its parameters; None for a model that is only evaluated or used.
        loss: ``loss(output, *targets)``, a mean over the batch as a tensor of one element.
        metrics: names (see `available_metrics`), `Metric` objects or callables
            ``metric(output, *targets)``; "loss" is always measured.
        device: where to move the model; None leaves it where it is.
        clip_norm: the longest gradient, over all parameters together, that is followed; longer ones are
            shortened. None for no limit.
        schedule: a learning-rate schedule of `tinynet.optim`.
        schedule_every: whether it is stepped after each ``"epoch"`` or each ``"batch"``.
        regularizer: ``regularizer(model)``, a tensor of one element that is added to the loss, in
            evaluation as well; see `L2Penalty`.
        stop_on_nan: whether a loss that isn't finite ends the training with an error. It is raised before
            the model has learnt from that batch; on a GPU, where looking at every loss would take long, when
            figures are shown, a checkpoint is about to be saved, or an epoch ends, and at the latest after
            256 batches.
        generators: a mapping from names to `Generator` objects that draw during training besides the
            default one and those of the modules. Checkpoints include them all.
        autocast: the precision in which model, loss and regularizer are computed, see `tinynet.autocast`;
            None for that of the data and parameters. Predictions are float32 in any case.
        loss_scaler: an `optim.LossScaler`. With ``autocast="float16"`` there is one anyway.
        capture: whether training steps are captured as CUDA graphs after the first batches of each shape,
            see `CapturedStep`. For models on a GPU, small ones above all, whose steps take less time there
            than launching them. A loss that isn't finite is then found after its step. Doesn't go with loss
            scaling, which looks at the gradients of every step.

    Raises:
        ArgumentError: a metric is unknown, two have one name, or an option is out of range.
    """

    def __init__(
        self,
        model,
        optimizer=None,
        loss=None,
        metrics=(),
        *,
        device=None,
        clip_norm=None,
        schedule=None,
        schedule_every="epoch",
        regularizer=None,
        stop_on_nan=True,
        generators=None,
        autocast=None,
        loss_scaler=None,
        capture=False,
    ):
        if clip_norm is not None and not clip_norm > 0:
            raise ArgumentError(f"Trainer: clip_norm must be positive, not {clip_norm}")
        self.model = model if device is None else model.to(backend.Device(device))
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = resolve_metrics(metrics)
        self.clip_norm = clip_norm
        self.schedule = None if schedule is None else ScheduleCallback(schedule, schedule_every)
        self.regularizer = regularizer
        self.stop_on_nan = stop_on_nan
        self.generators = dict(generators or {})
        self.precision = nullcontext() if autocast is None else precision_block(autocast)
        self.loss_scaler = LossScaler() if loss_scaler is None and autocast == "float16" else loss_scaler
        self._captured = self._capture() if capture else None

    def fit(
        self,
        x,
        y=None,
        validation_data=None,
        epochs=1,
        batch_size=32,
        shuffle=True,
        seed=0,
        callbacks=(),
        verbose=1,
        resume=None,
        workers=0,
        steps_per_epoch=None,
        show_memory=False,
    ):
        """Trains the model.

        The first Ctrl-C ends the training after the batch at hand, with checkpoint and history; a second
        one at once. Afterwards each module is in the mode (training or inference) it was in before.

        Args:
            x: inputs (N, ...), a data set, or a `DataLoader`, for which `batch_size`, `shuffle`, `seed`
                and `workers` don't matter.
            y: targets (N, ...) when `x` is an array.
            validation_data: a pair of arrays, a data set or a loader; evaluated after each epoch.
            epochs: how many epochs there shall be; with `resume`, those before the checkpoint count.
            batch_size: the number of samples in a batch.
            shuffle: whether each epoch has its own random order.
            seed: determines these orders. Dropout and the like draw from their own generators, see
                `tn.manual_seed`.
            callbacks: `Callback` objects, called in this order.
            verbose: 0 shows nothing; 1 a progress bar on a terminal and a line for each epoch; 2 the lines.
            resume: the path of a checkpoint to go on from. Model, optimiser, schedule, data and callbacks
                must be made as they were; the result is then the same to the last bit.
            workers: how many threads make batches ahead of time.
            steps_per_epoch: how many batches an epoch has; None takes one pass over the data. Epochs
                follow each other through the data, so that none of it is used more often than the rest.
            show_memory: whether bar and lines also say how much memory the pools of the CPU and the GPU hold,
                in use and idle.

        Returns:
            The `History`. Its ``interrupted`` tells whether Ctrl-C ended the training.

        Raises:
            ArgumentError: an argument is out of range, or optimiser or loss are missing.
            ShapeError: `x` and `y` have different lengths.
            CheckpointError: the checkpoint is damaged or doesn't fit; nothing was changed then.
            AnomalyError: the loss isn't finite.
        """
        if self.optimizer is None:
            raise ArgumentError("fit: the trainer has no optimizer")
        self._check_loss("fit")
        check_counts(epochs=epochs, batch_size=batch_size, steps_per_epoch=steps_per_epoch)
        loader = as_loader("fit", x, y, batch_size, shuffle, seed, workers)
        validation = None
        if validation_data is not None:
            pair = validation_data if isinstance(validation_data, tuple) else (validation_data,)
            if len(pair) > 2:
                raise ArgumentError(f"fit: validation_data should be a pair (x, y), not {len(pair)} things")
            validation = as_loader("fit: validation_data", *pair, batch_size=batch_size)
        schedule = [] if self.schedule is None else [self.schedule]
        progress = Progress(verbose, show_memory=show_memory)
        with closing(progress), watched_compilation(progress.announce_compilation):
            everyone = [*schedule, *callbacks, progress]
            return Fit(self, loader, validation, epochs, steps_per_epoch, everyone).run(resume)

    def evaluate(self, x, y=None, batch_size=256):
        """Loss and metrics of the model on data, as a dictionary; dropout and the like are off.

        Args and errors are as for `fit`. The loss is the mean over batches, weighted by their samples.
        """
        self._check_loss("evaluate")
        return self.evaluate_loader(as_loader("evaluate", x, y, batch_size))

    def predict(self, x, batch_size=256):
        """The model's outputs, as a NumPy array (N, ...); dropout and the like are off.

        Args:
            x: inputs (N, ...), or a data set or loader, whose batches' first elements are taken.
            batch_size: how many samples go through the model at once.

        Returns:
            One array, or a tuple of arrays for a model that returns several.
        """
        loader = as_loader("predict", x, None, batch_size)
        place = Placement(self.model)
        outputs, waiting = [], []
        with modes_kept(self.model), no_grad():
            self.model.eval()
            for batch in batches_between(loader, 0, len(loader)):
                with self.precision:
                    output = self.model(place(batch[:1])[0])
                    parts = output if isinstance(output, (tuple, list)) else (output,)
                    parts = [widened(part) for part in parts]
                # While the outputs of one batch are fetched, a GPU is at work on the next already.
                outputs += map(_fetched, waiting)
                waiting = [parts]
        outputs += map(_fetched, waiting)
        columns = tuple(np.concatenate(column) for column in zip(*outputs, strict=True))
        return columns if isinstance(output, (tuple, list)) else columns[0]

    def train_on_batch(self, batch, metrics=(), place="this batch", losses=None):
        """One optimiser step.

        Args:
            batch: a tuple of tensors on the model's device.
            metrics: `Metric` objects to update, the average loss first; outputs are those from before the
                step.
            place: where this is, for error messages.
            losses: a `LossWatch` that looks at losses on a GPU when there is time; None looks at once.

        Raises:
            AnomalyError: the loss isn't finite; the model is then as it was before, unless `losses` looked at
                it later or steps are captured.
        """
        if self._captured is None:
            output, loss = self._measured(batch)
        else:
            output, loss = self._captured(*batch)
            loss = Tensor(loss.data.copy())
        if self.stop_on_nan:
            watch = LossWatch() if losses is None else losses
            watch.note(loss.data, place)
            if losses is None:
                watch.look()
        if self._captured is None:
            self._learn(loss)
        _update(metrics, loss, output, batch)

    def _capture(self):
        """The whole step as something that is captured as a graph after a few batches."""
        on_cpu = [name for name, p in self.model.named_parameters() if not backend.is_on_gpu(p.data)]
        if on_cpu:
            raise ArgumentError(
                f"Trainer: capture needs a model on a GPU (device='cuda'), but {on_cpu[0]} is on the CPU"
            )
        if self.loss_scaler is not None:
            raise ArgumentError(
                "Trainer: capture doesn't go with loss scaling, which reads gradients at every step"
            )

        def step(*batch):
            output, loss = self._measured(batch)
            self._learn(loss)
            return output, loss

        return CapturedStep(step, self.model, copied=False)

    def _measured(self, batch):
        """The model's output for a batch, and its total loss."""
        x, *targets = batch
        with self.precision:
            output = self.model(x)
            return output, self._total_loss(output, targets)

    def _learn(self, loss):
        """The part of a step that changes the model. On a GPU it only launches kernels, or waits once."""
        self.optimizer.zero_grad()
        if self.loss_scaler is None:
            loss.backward()
        else:
            self.loss_scaler.backward(loss)
            if not self.loss_scaler.unscale(self.optimizer):
                return
        if self.clip_norm is not None:
            clip_grad_norm(list(self.model.parameters()), self.clip_norm)
        self.optimizer.step()

    def evaluate_loader(self, loader, cancelled=lambda: False):
        """As `evaluate`, for a loader; None when `cancelled` returned true in between."""
        metrics = fresh(self.metrics)
        place = Placement(self.model)
        with modes_kept(self.model), no_grad(), closing(batches_between(loader, 0, len(loader))) as batches:
            self.model.eval()
            for batch in batches:
                if cancelled():
                    return None
                batch = place(batch)
                output, loss = self._measured(batch)
                _update(metrics, loss, output, batch)
        return {metric.name: metric.result() for metric in metrics}

    def _check_loss(self, verb):
        if not callable(self.loss):
            raise ArgumentError(f"{verb}: the trainer needs a loss, a callable, not {self.loss!r}")

    def _total_loss(self, output, targets):
        """The loss of a batch with the regularizer's part, checked to be one number."""
        loss = _one_number("the loss", self.loss(output, *targets))
        if self.regularizer is None:
            return loss
        return loss + _one_number("the regularizer", self.regularizer(self.model))


def _one_number(name, value):
    if not isinstance(value, Tensor):
        raise DTypeError(f"Trainer: {name} returned {type(value).__name__}, but it should return a tensor")
    if value.size != 1:
        raise ShapeError(
            f"Trainer: {name} returned shape {value.shape}, but one number is needed: reduce it by its mean"
        )
    return value


def _fetched(tensors):
    return [tensor.numpy() for tensor in tensors]


def _update(metrics, loss, output, batch):
    """Adds a batch to the average loss, which comes first, and to the other metrics."""
    if not metrics:
        return
    average, *others = metrics
    average.update(loss.data if backend.is_on_gpu(loss.data) else loss.item(), samples_in(batch))
    with no_grad():
        for metric in others:
            metric.update(output, *batch[1:])
