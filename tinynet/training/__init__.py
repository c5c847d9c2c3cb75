"""Training: fit, evaluate and predict, metrics, callbacks, history, checkpoints and resuming."""

from tinynet.training.callbacks import (
    Callback,
    Checkpoint,
    CSVLog,
    EarlyStopping,
    KeepBest,
    Plots,
    ScheduleCallback,
)
from tinynet.training.checkpoint import load_checkpoint, save_checkpoint
from tinynet.training.ensembles import Ensemble, EnsembleAccuracy, TenCrop, ensemble_accuracy
from tinynet.training.graphs import CapturedStep
from tinynet.training.history import History
from tinynet.training.metrics import (
    Accuracy,
    BinaryAccuracy,
    ErrorRate,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    RootMeanSquaredError,
    TopKAccuracy,
    available_metrics,
    resolve_metric,
)
from tinynet.training.penalties import L2Penalty
from tinynet.training.progress import Progress
from tinynet.training.trainer import Trainer
from tinynet.training.word_metrics import CharacterErrorRate, WordAccuracy

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CSVLog",
    "Callback",
    "CapturedStep",
    "CharacterErrorRate",
    "Checkpoint",
    "EarlyStopping",
    "Ensemble",
    "EnsembleAccuracy",
    "ErrorRate",
    "History",
    "KeepBest",
    "L2Penalty",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Plots",
    "Progress",
    "RootMeanSquaredError",
    "ScheduleCallback",
    "TenCrop",
    "TopKAccuracy",
    "Trainer",
    "WordAccuracy",
    "available_metrics",
    "ensemble_accuracy",
    "load_checkpoint",
    "resolve_metric",
    "save_checkpoint",
]
