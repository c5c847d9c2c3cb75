"""Computer vision: finding things in images."""

from tinynet.vision.sliding_windows import classify_windows, sliding_windows

__all__ = ["classify_windows", "sliding_windows"]
