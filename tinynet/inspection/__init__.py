"""Looking at models and at what they answer: tables, and pictures written to disk."""

from tinynet.inspection.confusion import confusion_matrix, confusion_picture
from tinynet.inspection.pictures import prediction_grid
from tinynet.nn.summary import summarize as summary

__all__ = ["confusion_matrix", "confusion_picture", "prediction_grid", "summary"]
