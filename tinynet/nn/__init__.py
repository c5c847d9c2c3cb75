# ruff: noqa: F403 (each module lists what it exports)
"""Layers, losses as modules, initialisers, and the base class of all of them.

Layers are named and called as in PyTorch, except that channels come last: images (N, H, W, C), sequences
(N, T, C), volumes (N, D, H, W, C).
"""

from tinynet.nn import init as init
from tinynet.nn.activations import *
from tinynet.nn.arithmetic import *
from tinynet.nn.capsules import *
from tinynet.nn.chaining import *
from tinynet.nn.containers import *
from tinynet.nn.convolution import *
from tinynet.nn.dropout import *
from tinynet.nn.embedding import *
from tinynet.nn.fully_convolutional import *
from tinynet.nn.fusion_plan import *
from tinynet.nn.inference import *
from tinynet.nn.linear import *
from tinynet.nn.losses import *
from tinynet.nn.module import *
from tinynet.nn.normalization import *
from tinynet.nn.parameter import Parameter as Parameter
from tinynet.nn.pooling import *
from tinynet.nn.recurrent import *
from tinynet.nn.recurrent_cells import *
from tinynet.nn.resampling import *
from tinynet.nn.shaping import *
from tinynet.nn.summary import *
