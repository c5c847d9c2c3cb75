"""Computer vision: finding things in images, and reading what is written in them."""

from tinynet.vision.sliding_windows import classify_windows, sliding_windows
from tinynet.vision.word_reader import WordReader

__all__ = ["WordReader", "classify_windows", "sliding_windows"]
