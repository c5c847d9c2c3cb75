"""The convolutional recurrent network that reads words.

Sources: B. Shi, X. Bai and C. Yao, "An End-to-End Trainable Neural Network for Image-Based Sequence
Recognition and Its Application to Scene Text Recognition", 2015; the sizes are those of the document
"Creating a CRNN model to recognize text in an image".
"""

import numpy as np

from tinynet import functional as F
from tinynet import nn
from tinynet.autograd import as_tensor
from tinynet.backend import to_numpy
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.arguments import count

__all__ = ["CRNN"]

HEIGHT = 32
CONVOLUTIONS = 7
COLUMNS_PER_STEP = 4  # two poolings halve the width
SMALLEST_WIDTH = 2 * COLUMNS_PER_STEP  # the last convolution sees two columns at once


class CRNN(nn.Module):
    """Convolutions turn an image into a sequence of columns, which two LSTMs read in both directions.

    ==============  =======================================  ==================
    layers          what                                     32 × 128
    ==============  =======================================  ==================
    conv1, pool1    64 channels of 3 × 3; pooling (2, 2)     16, 64, 64
    conv2, pool2    128 channels of 3 × 3; pooling (2, 2)    8, 32, 128
    conv3           256 channels of 3 × 3                    8, 32, 256
    conv4, pool3    256 channels of 3 × 3; pooling (2, 1)    4, 32, 256
    conv5, norm5    512 channels of 3 × 3; batch norm        4, 32, 512
    conv6, norm6    512 channels of 3 × 3; batch norm        4, 32, 512
    pool4           pooling (2, 1)                           2, 32, 512
    conv7           512 channels of 2 × 2, no padding        1, 31, 512
    recurrent       two LSTMs of 128, in both directions     31, 256
    dense           scores of the classes                    31, num_classes
    ==============  =======================================  ==================

    Every convolution ends in a ReLU, behind the batch norm where there is one, as in the paper. The pooling
    windows (2, 1) keep columns apart, so that narrow letters have a step of their own. With 63 classes it has
    6,619,711 parameters. Keras counts as many, for another reason: its LSTMs lack 2,048 second biases, but it
    counts the 2,048 moving statistics of batch norm.

    The classes are the characters and, as the last one, the blank of `functional.ctc_loss`. Images have 32
    rows and any number of columns from 8 on; `steps` tells how many steps come of them::

        trainer = tn.Trainer(model, optimizer, model.loss)
        trainer.fit(loader)  # of (images, labels, input_lengths, target_lengths)

    Args:
        num_classes: the number of classes, the blank included.
        in_channels: the number C of channels of an image.
        width: a factor for the numbers of channels.
        hidden_size: the number of units of each LSTM in each direction.
        dropout: the probability with which the first LSTMs' outputs are dropped in training.
        normalized: the numbers of the convolutions that batch norm follows, some of 1 to 7.

    Raises:
        ArgumentError: the width is not above 0, there are less than two classes, the probability lies outside
            [0, 1], there is no such convolution, or a number is not an integer of at least 1.
        ShapeError: in forward, when the images have another height or number of channels, or are too narrow.
    """

    input_shape = (HEIGHT, 128, 1)

    def __init__(
        self, num_classes=63, in_channels=1, width=1.0, hidden_size=128, dropout=0.0, normalized=(5, 6)
    ):
        self.num_classes = count(self, "num_classes", num_classes)
        if num_classes < 2:
            raise ArgumentError("CRNN: num_classes must be at least 2, a character and the blank, not 1")
        if not width > 0:
            raise ArgumentError(f"CRNN: width should be above 0, not {width!r}")
        self.input_shape = (HEIGHT, 128, count(self, "in_channels", in_channels))
        few, some, many, most = (max(1, round(channels * width)) for channels in (64, 128, 256, 512))
        self.conv1 = nn.Conv2d(in_channels, few, 3, padding="same")
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(few, some, 3, padding="same")
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = nn.Conv2d(some, many, 3, padding="same")
        self.conv4 = nn.Conv2d(many, many, 3, padding="same")
        self.pool3 = nn.MaxPool2d((2, 1))
        self.conv5 = nn.Conv2d(many, most, 3, padding="same")
        self.conv6 = nn.Conv2d(most, most, 3, padding="same")
        self.pool4 = nn.MaxPool2d((2, 1))
        self.conv7 = nn.Conv2d(most, most, 2)
        for number in normalized:
            if number not in range(1, CONVOLUTIONS + 1):
                raise ArgumentError(
                    f"CRNN: normalized names the convolutions 1 to {CONVOLUTIONS}, not {number!r}"
                )
            setattr(self, f"norm{number}", nn.BatchNorm2d(getattr(self, f"conv{number}").out_channels))
        self.recurrent = nn.LSTM(most, hidden_size, num_layers=2, bidirectional=True, dropout=dropout)
        self.dense = nn.Linear(2 * self.recurrent.hidden_size, self.num_classes)

    @property
    def blank(self):
        """The class that stands for no character: the last one."""
        return self.num_classes - 1

    @staticmethod
    def steps(widths):
        """How many steps come of images of these widths, ⌊W / 4⌋ − 1, and 0 of those too narrow.

        Args:
            widths: an integer, or integers in an array or tensor of any shape, which is that of the result.

        Returns:
            An integer, or a NumPy array of them.
        """
        steps = np.maximum(to_numpy(as_tensor(widths).data) // COLUMNS_PER_STEP - 1, 0)
        return steps if steps.ndim else int(steps)

    @staticmethod
    def centres(steps):
        """The columns in the middle of what the convolutions see for each step, integers (steps,)."""
        return COLUMNS_PER_STEP * (np.arange(steps) + 1)

    def forward(self, x, widths=None):
        """Images (N, 32, W, C) → logits (N, T, num_classes), with T = `steps` of W.

        Args:
            x: images.
            widths: integers (N,), how many columns of each image are its own; what lies to the right only
                fills it up. The LSTMs don't read the steps of these columns. None if all columns count.
        """
        x = self._checked(as_tensor(x))
        x = nn.chain(x, *self._block(1), self.pool1, *self._block(2), self.pool2)
        x = nn.chain(x, *self._block(3), *self._block(4), self.pool3)
        x = nn.chain(x, *self._block(5), *self._block(6), self.pool4)
        x = F.squeeze(nn.chain(x, *self._block(7)), 1)
        x, _ = self.recurrent(x, lengths=None if widths is None else self.steps(widths).tolist())
        return self.dense(x)

    def _block(self, number):
        """A convolution, the batch norm behind it if there is one, and the ReLU."""
        conv, norm = (getattr(self, f"{kind}{number}", None) for kind in ("conv", "norm"))
        return (conv, F.relu) if norm is None else (conv, norm, F.relu)

    def _checked(self, x):
        channels = self.input_shape[2]
        fits = x.ndim == 4 and (x.shape[1], x.shape[3]) == (HEIGHT, channels)
        if not fits or x.shape[2] < SMALLEST_WIDTH:
            raise ShapeError(
                f"CRNN: x must have the shape (N, {HEIGHT}, W, {channels}) with W at least {SMALLEST_WIDTH}, "
                f"not {x.shape}"
            )
        return x

    def loss(self, output, labels, input_lengths=None, target_lengths=None):
        """The CTC loss, a mean over images of the loss of each label; see `functional.ctc_loss`.

        A word that cannot be written in the steps of its image counts as 0 and teaches nothing.

        Args:
            output: logits (N, T, num_classes).
            labels: integers (N, S), padded to one length, or all of them one after the other.
            input_lengths: integers (N,), how many steps of each image count; None for T.
            target_lengths: integers (N,), how many labels each image has; None for S.
        """
        return F.ctc_loss_with_logits(
            output, labels, input_lengths, target_lengths, blank=self.blank, zero_infinity=True
        )
