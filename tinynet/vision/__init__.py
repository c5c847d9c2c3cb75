"""Computer vision: finding things in images, and reading what is written in them."""

from tinynet.vision.anchors import anchor_overlaps, cluster_anchors
from tinynet.vision.boxes import non_maximum_suppression
from tinynet.vision.sliding_windows import classify_windows, sliding_windows
from tinynet.vision.word_reader import WordReader

__all__ = [
    "WordReader",
    "anchor_overlaps",
    "classify_windows",
    "cluster_anchors",
    "non_maximum_suppression",
    "sliding_windows",
]
