"""GoogLeNet, or Inception v1: nine modules that look at an image through four windows at once.

Source: C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, A. Rabinovich,
"Going Deeper with Convolutions", CVPR 2015.
"""

from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError
from tinynet.models.auxiliary import WithAuxiliary

__all__ = ["GoogLeNet", "InceptionModule"]

STEMS = {"imagenet": 224, "cifar": 32}
NORMALIZATIONS = ("local response", "batch", None)
LARGE_KERNELS = (3, 5)

# Table 1 of the paper: 1×1 | 3×3 reduce, 3×3 | 5×5 reduce, 5×5 | pool projection.
MODULES = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


class InceptionModule(nn.Module):
    """Four branches side by side, joined along the channels (figure 2b of the paper).

    ::

          ┌─ conv 1×1 ─────────────────┐
          ├─ conv 1×1 ─── conv 3×3 ────┤
        x ┤                            ├ y
          ├─ conv 1×1 ─── conv 5×5 ────┤
          └─ max pool 3×3 ─ conv 1×1 ──┘

    The 1 × 1 convolutions before the larger ones leave these fewer channels to see, and so far less to do.
    ReLU follows every convolution.

    (N, H, W, in_channels) → (N, H, W, the sum of widths[0], widths[2], widths[4] and widths[5]).

    Args:
        in_channels: before the module.
        widths: the numbers of channels as in a row of the paper's table 1.
        large_kernel: the size of the window of the third branch.
        batch_norm: whether batch norm stands between convolution and ReLU.
    """

    def __init__(self, in_channels, widths, large_kernel=5, batch_norm=False):
        width1x1, reduce3x3, width3x3, reduce5x5, width5x5, width_pool = widths
        self.branch1 = make_convolution(in_channels, width1x1, 1, batch_norm=batch_norm)
        self.branch2 = nn.Sequential(
            make_convolution(in_channels, reduce3x3, 1, batch_norm=batch_norm),
            make_convolution(reduce3x3, width3x3, 3, batch_norm=batch_norm),
        )
        self.branch3 = nn.Sequential(
            make_convolution(in_channels, reduce5x5, 1, batch_norm=batch_norm),
            make_convolution(reduce5x5, width5x5, large_kernel, batch_norm=batch_norm),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            make_convolution(in_channels, width_pool, 1, batch_norm=batch_norm),
        )
        self.out_channels = width1x1 + width3x3 + width5x5 + width_pool

    def forward(self, x):
        """(N, H, W, in_channels) → (N, H, W, out_channels)."""
        branches = self.branch1, self.branch2, self.branch3, self.branch4
        return F.concatenate([branch(x) for branch in branches], axis=-1)


def make_convolution(in_channels, channels, kernel_size, stride=1, batch_norm=False):
    """(N, H, W, in_channels) → (N, ⌈H / stride⌉, ⌈W / stride⌉, channels), with ReLU and He's weights."""
    padding = kernel_size // 2
    with nn.init.skipped():
        conv = nn.Conv2d(in_channels, channels, kernel_size, stride, padding, bias=not batch_norm)
    nn.init.he_normal(conv.weight)
    if not batch_norm:
        return nn.Sequential({"conv": conv, "relu": nn.ReLU()})
    return nn.Sequential({"conv": conv, "norm": nn.BatchNorm2d(channels, eps=1e-3), "relu": nn.ReLU()})


class GoogLeNet(nn.Module):
    """Twenty-two layers with parameters, 6,998,552 of these for 1,000 classes, and two auxiliary heads.

    ===============  ============================================  =============  ===========
    layers           what                                          224 × 224 × 3  32 × 32 × 3
    ===============  ============================================  =============  ===========
    stem             see the argument                              28, 28, 192    32, 32, 192
    inception3a      32 channels seen through 5 × 5, after 16      28, 28, 256    32, 32, 256
    inception3b                                                    28, 28, 480    32, 32, 480
    pool3            maximum of 3 × 3, stride 2                    14, 14, 480    16, 16, 480
    inception4a      the first auxiliary head sees its output      14, 14, 512    16, 16, 512
    inception4b, 4c                                                14, 14, 512    16, 16, 512
    inception4d      the second auxiliary head sees its output     14, 14, 528    16, 16, 528
    inception4e                                                    14, 14, 832    16, 16, 832
    pool4            maximum of 3 × 3, stride 2                    7, 7, 832      8, 8, 832
    inception5a                                                    7, 7, 832      8, 8, 832
    inception5b                                                    7, 7, 1024     8, 8, 1024
    pool             mean over all pixels                          1024           1024
    dropout, dense   num_classes                                   num_classes    num_classes
    ===============  ============================================  =============  ===========

    In training the model gives a `WithAuxiliary`, for which there is `auxiliary_loss`, and 13,378,280
    parameters take part; in inference it gives the main head's logits alone.

    With batch norm and ``large_kernel=3`` it is the network of which PyTorch publishes weights: 6,624,904
    parameters outside the auxiliary heads.

    Args:
        num_classes: the number of classes.
        in_channels: the number C of channels of an image.
        stem: ``"imagenet"``, see `make_stem`, for images of 224 × 224; ``"cifar"``, one convolution of 3 × 3,
            for images of 32 × 32.
        width: a factor for all numbers of channels but those at both ends.
        auxiliary: whether there are auxiliary heads.
        normalization: ``"local response"`` normalises across channels twice in the stem, as in the paper;
            ``"batch"`` puts batch norm behind every convolution instead; None does neither.
        large_kernel: the size of the modules' largest window, 5 as in the paper, or 3.
        input_size: the height and width of the images; by default those of the stem. With auxiliary heads at
            least 65, or 9 with the small stem; without them any size serves.
        dropout: the probability with which numbers before the main dense layer are dropped in training.
        auxiliary_dropout: the same for the auxiliary heads.

    Raises:
        ArgumentError: there is no such stem, normalisation or window, the images are too small, the width is
            not above 0, or a probability is none.
    """

    input_shape = (224, 224, 3)

    def __init__(
        self,
        num_classes=1000,
        in_channels=3,
        stem="imagenet",
        width=1.0,
        auxiliary=True,
        normalization="local response",
        large_kernel=5,
        input_size=None,
        dropout=0.4,
        auxiliary_dropout=0.7,
    ):
        _check_choice("stem", stem, tuple(STEMS))
        _check_choice("normalization", normalization, NORMALIZATIONS)
        _check_choice("large_kernel", large_kernel, LARGE_KERNELS)
        if not width > 0:
            raise ArgumentError(f"GoogLeNet: width should be above 0, not {width!r}")
        size = STEMS[stem] if input_size is None else input_size
        self.input_shape = (size, size, in_channels)
        batch_norm = normalization == "batch"
        self.stem = make_stem(stem, in_channels, width, normalization)
        channels = scaled(192, width)
        outputs = {}
        for name, widths in MODULES.items():
            module = InceptionModule(
                channels, [scaled(count, width) for count in widths], large_kernel, batch_norm
            )
            setattr(self, name, module)
            outputs[name] = channels = module.out_channels
        self.pool3 = nn.MaxPool2d(3, stride=2, padding="same")
        self.pool4 = nn.MaxPool2d(3, stride=2, padding="same")
        self.pool = nn.GlobalAvgPool2d()
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(channels, num_classes)
        self.auxiliary = auxiliary
        if auxiliary:
            options = auxiliary_size(stem, size), num_classes, width, batch_norm, auxiliary_dropout
            self.auxiliary1 = make_auxiliary_head(outputs["inception4a"], *options)
            self.auxiliary2 = make_auxiliary_head(outputs["inception4d"], *options)

    def forward(self, x):
        """Images (N, H, W, C) → logits (N, num_classes); in training `WithAuxiliary`, if there are heads."""
        x = self.inception3b(self.inception3a(self.stem(x)))
        first = self.inception4a(self.pool3(x))
        second = self.inception4d(self.inception4c(self.inception4b(first)))
        x = self.pool4(self.inception4e(second))
        x = self.inception5b(self.inception5a(x))
        logits = self.dense(self.dropout(self.pool(x)))
        if not (self.auxiliary and self.training):
            return logits
        return WithAuxiliary(logits, (self.auxiliary1(first), self.auxiliary2(second)))


def make_stem(name, in_channels, width, normalization):
    """The layers before the first module; (N, 224, 224, C) → (N, 28, 28, 192) for large images."""
    batch_norm = normalization == "batch"
    narrow, wide = scaled(64, width), scaled(192, width)
    if name == "cifar":
        return make_convolution(in_channels, wide, 3, batch_norm=batch_norm)
    layers = {
        "conv1": make_convolution(in_channels, narrow, 7, 2, batch_norm),
        "pool1": nn.MaxPool2d(3, stride=2, padding="same"),
        "norm1": nn.LocalResponseNorm(5),
        "reduce2": make_convolution(narrow, narrow, 1, batch_norm=batch_norm),
        "conv2": make_convolution(narrow, wide, 3, batch_norm=batch_norm),
        "norm2": nn.LocalResponseNorm(5),
        "pool2": nn.MaxPool2d(3, stride=2, padding="same"),
    }
    if normalization != "local response":
        del layers["norm1"], layers["norm2"]
    return nn.Sequential(layers)


def make_auxiliary_head(in_channels, pooled_size, num_classes, width, batch_norm, dropout):
    """The layers from a module's output to logits: (N, 14, 14, in_channels) → (N, num_classes)."""
    channels, units = scaled(128, width), scaled(1024, width)
    return nn.Sequential(
        {
            "pool": nn.AvgPool2d(5, stride=3),
            "conv": make_convolution(in_channels, channels, 1, batch_norm=batch_norm),
            "flatten": nn.Flatten(),
            "dense1": nn.Linear(pooled_size**2 * channels, units),
            "relu": nn.ReLU(),
            "dropout": nn.Dropout(dropout),
            "dense2": nn.Linear(units, num_classes),
        }
    )


def auxiliary_size(stem, input_size):
    """The height and width of what the auxiliary heads' pooling of 5 × 5, stride 3, gives."""
    halvings = 4 if stem == "imagenet" else 1
    size = -(-input_size // 2**halvings)
    if size < 5:
        least = 4 * 2**halvings + 1
        raise ArgumentError(
            f"GoogLeNet: input_size should be at least {least} for the auxiliary heads, not {input_size!r}"
        )
    return (size - 5) // 3 + 1


def scaled(channels, width):
    """A number of channels times the width, at least 1."""
    return max(1, round(channels * width))


def _check_choice(name, value, known):
    if value not in known:
        raise ArgumentError(f"GoogLeNet: {name} should be {' or '.join(map(repr, known))}, not {value!r}")
