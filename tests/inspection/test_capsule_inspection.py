"""Pictures of capsules."""

import numpy as np
import pytest

from tinynet import models
from tinynet.inspection import capsule_sweep_picture


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sweep_is_drawn(channels, tmp_path, rng):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    model = models.CapsNet(num_classes=3, in_channels=channels, input_size=8, kernel_size=3, width=0.125)
    path = tmp_path / "sweep.png"
    assert capsule_sweep_picture(path, model, rng.random((8, 8, channels), np.float32)) == path
    assert path.stat().st_size > 1000
