"""CuPy without a GPU: an array module whose arrays lie in main memory and behave as if they didn't.

`installed` puts it in CuPy's place, so that ``tn.device("cuda")`` and all that follows from it run anywhere:
moving models and batches, training, checkpoints, metrics. It is as strict as CuPy where code that was only
ever run with NumPy goes wrong:

* an array of NumPy among the arguments of a function, an operator or an assignment is an error, as is turning
  a device array into one of NumPy other than with ``get``;
* sums over everything, and single elements, are arrays without axes and not numbers;
* copies on a stream of their own happen as late as they are allowed to (see `streams`): whoever doesn't wait
  for one reads what was there before.

A stream can be captured: what is done on the device is then written down, and done by replays of the graph;
see `recording`.

Wherever a program would wait for the GPU, that is noted with its place in the source; see
`watched_synchronisations`.

CUDA kernels run on the emulation, of which the arrays are taken apart and put together here; see `backend`.
"""

from cupy_stand_in.arrays import ndarray
from cupy_stand_in.backend import EmulationBackend
from cupy_stand_in.module import installed, stand_in
from cupy_stand_in.synchronisations import Synchronisation, watched_synchronisations

__all__ = [
    "EmulationBackend",
    "Synchronisation",
    "installed",
    "ndarray",
    "stand_in",
    "watched_synchronisations",
]
