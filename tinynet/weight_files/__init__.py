"""Files of weights, of whatever format, as named arrays. Nothing in a file is ever run.

    file = read_weights("resnet20.th")
    file.arrays["conv1.weight"].shape, file.format, file.metadata

One module reads one format; `reading` finds out which format a file has.
"""

from tinynet.weight_files.contents import WeightFile
from tinynet.weight_files.reading import read_weights

__all__ = ["WeightFile", "read_weights"]
