"""What the factors of products are rounded to on the GPU, in NumPy's integers."""

import numpy as np


def rounded(x, to):
    """float32 numbers rounded as within ``rounded_products(to)``."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    if to == "tf32":  # 10 bits behind the point; of two that are equally near, the larger one in size
        nearest = (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    else:  # the upper half of the bits; of two that are equally near, the even one
        upper, lower = bits >> 16, bits & 0xFFFF
        is_up = (lower > 0x8000) | ((lower == 0x8000) & (upper % 2 == 1))
        nearest = (upper + is_up).astype(np.uint32) << 16
    return np.where(np.isfinite(x), nearest.view(np.float32), x)
