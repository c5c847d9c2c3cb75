"""The constants of Philox 4x32-10, and the numbers that both takes derive from the arguments."""

__all__ = ["KEY_STEPS", "MULTIPLIERS", "ROUNDS", "scale", "threshold"]

ROUNDS = 10

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)

KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio, and the square root of 3 less 1


def threshold(p):
    """Words below it are dropped: an integer from 0 to 2**32."""
    return round(p * 2**32)


def scale(p):
    """What is kept is multiplied with it."""
    return 1 / (1 - p) if p < 1 else 0.0
