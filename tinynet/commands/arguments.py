"""Arguments that several commands share, and kinds of values that argparse does not know."""

import argparse

__all__ = ["add_command", "add_device", "not_negative", "positive", "shape"]


def add_command(commands, name, command, description):
    """Adds a command that calls ``command(options)``. Returns its parser."""
    parser = commands.add_parser(
        name, help=description, description=f"{description[0].upper()}{description[1:]}."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(command=command, device=None)
    return parser


def add_device(parser):
    """Adds ``--device``."""
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: $TINYNET_DEVICE, else cpu)")


def positive(text):
    """An integer of at least 1."""
    return _at_least(1, text)


def not_negative(text):
    """An integer of at least 0."""
    return _at_least(0, text)


def _at_least(least, text):
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"{number} is less than {least}")
    return number


def shape(text):
    """The sizes of a sample, as in 28x28x1."""
    try:
        sizes = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 28x28x1")
    return sizes
