"""The fonts that words are drawn in: those that come with Matplotlib, and Pillow's own.

They are the same on every machine, whatever fonts the system has, so that a seed stands for the same images.
"""

import importlib.util
from functools import cache
from pathlib import Path

from tinynet.errors import DataError, MissingExtraError

__all__ = ["FONTS", "load_font"]

PILLOW = "Pillow"

# Fonts of symbols, and those that lack letters or digits, are left out. The plain ones come more than once,
# since most of what is written in the world is set in them.
FONTS = (
    *(PILLOW,) * 5,
    *("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Bold.ttf") * 3,
    "DejaVuSans-Oblique.ttf",
    *("DejaVuSans-BoldOblique.ttf",) * 2,
    *("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf") * 2,
    "DejaVuSerif-Italic.ttf",
    "DejaVuSerif-BoldItalic.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSansMono-Oblique.ttf",
    *("STIXGeneral.ttf", "STIXGeneralBol.ttf") * 2,
    "STIXGeneralItalic.ttf",
    "STIXGeneralBolIta.ttf",
    "cmr10.ttf",
    "cmb10.ttf",
    "cmss10.ttf",
    "cmtt10.ttf",
    "cmti10.ttf",
)


@cache
def load_font(name, size):
    """A font of Pillow's, `size` pixels high.

    Args:
        name: one of `FONTS`.
        size: an integer.

    Raises:
        MissingExtraError: Pillow or Matplotlib isn't installed.
        DataError: this Matplotlib has no such font.
    """
    try:
        from PIL import ImageFont
    except ImportError as error:
        raise MissingExtraError("drawing words", "pillow", extra="data") from error
    if name == PILLOW:
        return ImageFont.load_default(size)
    path = _matplotlib_fonts() / name
    if not path.exists():
        raise DataError(f"{path}: this font of Matplotlib's is missing")
    # Raqm, the other layout engine, is not part of every Pillow, and places glyphs a little differently.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def _matplotlib_fonts():
    # Found without importing Matplotlib, which takes a tenth of a second in every worker.
    package = importlib.util.find_spec("matplotlib")
    if package is None or package.origin is None:
        raise MissingExtraError("drawing words", "matplotlib", extra="plot")
    return Path(package.origin).parent / "mpl-data" / "fonts" / "ttf"
