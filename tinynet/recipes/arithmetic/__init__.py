"""The experiments of the paper on layers that calculate, NAC and NALU.

Source: A. Trask, F. Hill, S. Reed, J. Rae, C. Dyer, P. Blunsom, "Neural arithmetic logic units", 2018.
"""

from tinynet.recipes.arithmetic.counting import COUNTING
from tinynet.recipes.arithmetic.identity import IDENTITY
from tinynet.recipes.arithmetic.operations import ARITHMETIC
from tinynet.recipes.arithmetic.spoken_numbers import SPOKEN_NUMBERS
from tinynet.recipes.arithmetic.timekeeping import TIMEKEEPING

__all__ = ["ARITHMETIC", "COUNTING", "IDENTITY", "SPOKEN_NUMBERS", "TIMEKEEPING"]
