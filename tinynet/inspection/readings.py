"""A sheet of word images with what was read in them."""

from tinynet.errors import ShapeError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.inspection.pictures import RIGHT, WRONG

__all__ = ["readings_picture"]


def readings_picture(path, images, found, expected=None, columns=6):
    """Draws word images in rows, each titled with what was read.

    Args:
        path: the PNG file to write.
        images: N greys (H, W, 1), of any widths, uint8 or numbers from 0 to 1.
        found: N texts.
        expected: N texts; a wrong reading has a red title that tells what is written, too. None draws all
            titles in black.
        columns: how many images there are in a row.

    Returns:
        The path.

    Raises:
        ShapeError: there are not as many texts as images.
        MissingExtraError: Matplotlib isn't installed.
    """
    expected = found if expected is None else expected
    if not len(images) == len(found) == len(expected):
        raise ShapeError(
            f"readings_picture: {len(images)} images need as many texts, not {len(found)} found and "
            f"{len(expected)} expected"
        )
    rows = max(1, -(-len(images) // columns))
    figure = new_figure(2.2 * columns, 1.1 * rows)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in places:
        place.set_axis_off()
    for place, image, reading, text in zip(places, images, found, expected, strict=False):
        largest = 255 if image.dtype == "uint8" else 1
        place.imshow(image[..., 0], cmap="gray", vmin=0, vmax=largest, interpolation="nearest")
        title = reading or "(nothing)"
        if reading != text:
            title = f"{title}\nis {text}"
        place.set_title(title, color=RIGHT if reading == text else WRONG, fontsize=8, parse_math=False)
    return save_figure(figure, path)
