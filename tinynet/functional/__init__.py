"""Every differentiable operation: forward and backward side by side, then a function to call.

Functions take tensors, arrays or numbers and return tensors. Layouts are channels-last: images
(N, H, W, C), sequences (N, T, C), volumes (N, D, H, W, C).
"""

from tinynet.functional import methods
from tinynet.functional.activations import *
from tinynet.functional.arithmetic import *
from tinynet.functional.boxes import *
from tinynet.functional.capsules import *
from tinynet.functional.convolution import *
from tinynet.functional.creation import *
from tinynet.functional.ctc import *
from tinynet.functional.dropout import *
from tinynet.functional.elementwise import *
from tinynet.functional.indexing import *
from tinynet.functional.linear_algebra import *
from tinynet.functional.losses import *
from tinynet.functional.normalization import *
from tinynet.functional.pooling import *
from tinynet.functional.recurrent import *
from tinynet.functional.recurrent_cells import *
from tinynet.functional.reductions import *
from tinynet.functional.resampling import *
from tinynet.functional.residual import *
from tinynet.functional.shaping import *

methods.attach()
