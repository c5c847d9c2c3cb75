"""Drawn words, and word images from files."""

import numpy as np
import pytest

from tinynet.data.files import DataNotFoundError
from tinynet.data.words import (
    CHARACTERS,
    Light,
    RenderedWords,
    Style,
    WordFolder,
    WordImages,
    draw_text,
    draw_word,
    prepare_word,
    read_word_image,
    scaled_to_height,
)
from tinynet.data.words.fonts import FONTS, load_font
from tinynet.data.words.vocabulary import COMMON_WORDS, EVERYDAY_WORDS
from tinynet.errors import ArgumentError, DataError, ShapeError

Image = pytest.importorskip("PIL.Image", reason="drawing words needs Pillow")
pytest.importorskip("matplotlib", reason="drawing words needs Matplotlib's fonts")

PLAIN = Style(
    rotation=0,
    shear=0,
    stretch=0,
    narrowing=0,
    perspective=0,
    spacing=0,
    thickening=0,
    light=Light(least_contrast=200, light_on_dark=0, unevenness=0, decoration=0, clutter=0, noise=0),
)


def test_an_image_is_determined_by_seed_and_number():
    words, again, others = RenderedWords(50, seed=3), RenderedWords(9, seed=3), RenderedWords(9, seed=4)
    for index in (8, 0, 5):
        image, text = words[index]
        np.testing.assert_array_equal(image, again[index][0])
        assert text == again[index][1]
    texts = [words[index][1] for index in range(9)]
    assert texts != [others[index][1] for index in range(9)] and len(set(texts)) > 6


def test_workers_draw_the_same_images():
    words = RenderedWords(70, seed=1)
    alone, together = WordImages.of(words), WordImages.of(words, workers=2)
    assert alone.texts == together.texts
    assert all(np.array_equal(one, other) for one, other in zip(alone.images, together.images, strict=True))
    assert alone.widths.tolist() == [image.shape[1] for image in alone.images]


def test_images_are_of_the_promised_shape_and_show_something():
    for image, text in WordImages.of(RenderedWords(150, seed=2)):
        assert image.shape[0] == 32 and 8 <= image.shape[1] <= 256 and image.shape[2] == 1
        assert image.dtype == np.uint8 and image.std() > 2
        assert text and set(text) <= set(CHARACTERS)


def test_longer_words_make_wider_images():
    def mean_width(text):
        return np.mean([draw_word(text, np.random.default_rng(seed)).shape[1] for seed in range(20)])

    assert mean_width("n") < mean_width("nnn") < mean_width("nnnnnn")


def test_plain_images_are_dark_on_light_and_the_opposite_when_asked_for():
    rng = np.random.default_rng(0)
    image = draw_word("HOTEL", rng, PLAIN)
    assert np.median(image[0]) > 200 and image.min() < 55


def test_signs_that_are_not_read_make_images_wider():
    style = Style(**{**vars(PLAIN), "punctuation": 1.0})
    widths = [
        np.mean([draw_word("word", np.random.default_rng(seed), kind).shape[1] for seed in range(20)])
        for kind in (PLAIN, style)
    ]
    assert widths[0] < widths[1]


def test_all_fonts_are_there_and_have_every_character():
    for name in set(FONTS):
        font = load_font(name, 30)
        missing = bytes(font.getmask("\U0010fffd"))
        for character in CHARACTERS:
            mask = font.getmask(character)
            assert mask.getbbox() is not None and bytes(mask) != missing, (name, character)


def test_texts_are_of_all_kinds():
    rng = np.random.default_rng(0)
    texts = [draw_text(rng) for _ in range(2000)]
    known = set(EVERYDAY_WORDS.split()) | set(COMMON_WORDS.split())
    kinds = {
        "numbers": np.mean([text.isdigit() for text in texts]),
        "words": np.mean([text.lower() in known for text in texts]),
        "capitals": np.mean([text.isupper() for text in texts]),
        "small": np.mean([text.islower() for text in texts]),
    }
    assert kinds["numbers"] == pytest.approx(0.1, abs=0.05)
    assert kinds["words"] > 0.55 and kinds["capitals"] > 0.2 and kinds["small"] > 0.2
    assert set("".join(texts)) == set(CHARACTERS)


def test_the_vocabulary_is_of_small_letters_and_has_no_word_twice():
    for words in (EVERYDAY_WORDS.split(), COMMON_WORDS.split()):
        assert all(word.isalpha() and word.isascii() and word.islower() for word in words)
        assert len(words) == len(set(words)) > 1000


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1, -1)])
def test_rendered_words_refuse_impossible_numbers(count, seed):
    with pytest.raises(ArgumentError, match=f"count should be at least 1 .* not {count} and {seed}"):
        RenderedWords(count, seed)
    with pytest.raises(IndexError, match="sample 3 of a data set of 3"):
        RenderedWords(3)[3]


@pytest.mark.parametrize(
    ("size", "width"), [((64, 100), 50), ((16, 40), 80), ((32, 7), 8), ((32, 90), 90), ((20, 400), 256)]
)
def test_images_are_scaled_to_32_rows(size, width):
    image = np.random.default_rng(0).integers(0, 256, (*size, 1), dtype=np.uint8)
    assert scaled_to_height(image).shape == (32, width, 1)


def test_scaling_keeps_what_is_shown():
    image = np.zeros((64, 128, 1), np.uint8)
    image[:, 64:] = 200
    scaled = scaled_to_height(image)
    assert scaled[:, :30].max() == 0 and scaled[:, 34:].min() == 200


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3), (0, 4, 1)])
def test_only_greys_are_scaled(shape):
    with pytest.raises(ShapeError, match=r"scaled_to_height: the image should be \(H, W, 1\), not "):
        scaled_to_height(np.zeros(shape, np.uint8))


def test_light_does_not_matter_once_images_are_prepared():
    image = np.random.default_rng(0).integers(100, 200, (32, 50, 1), dtype=np.uint8)
    prepared = prepare_word(image)
    assert prepared.dtype == np.float32
    assert prepared.mean() == pytest.approx(0, abs=1e-5) and prepared.std() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(prepare_word(image // 2 * 2 - 80), prepare_word(image // 2 * 2), atol=1e-4)
    np.testing.assert_allclose(prepare_word(image / 255), prepared, atol=1e-4)
    assert not prepare_word(np.full((32, 8, 1), 77, np.uint8)).any()


@pytest.fixture
def folder(tmp_path):
    """Three images of different sizes, and a table of two of them."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name, size in (("a", (32, 40)), ("b", (64, 40)), ("c", (16, 40))):
        picture = Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8))
        picture.save(tmp_path / "images" / f"{name}.png")
    write(tmp_path, "images/a.png\tHotel\n\nimages/b.png\t42\r\n")
    return tmp_path


def write(folder, table):
    (folder / "words.tsv").write_bytes(table.encode())


def test_a_folder_is_read_by_its_table(folder):
    words = WordFolder(folder / "words.tsv")
    assert words.texts == ["Hotel", "42"] and [path.name for path in words.paths] == ["a.png", "b.png"]
    images, texts = zip(*words, strict=True)
    assert [image.shape for image in images] == [(32, 40, 1), (32, 20, 1)] and texts == ("Hotel", "42")
    np.testing.assert_array_equal(images[0][..., 0], np.asarray(Image.open(words.paths[0])))
    np.testing.assert_array_equal(read_word_image(words.paths[1]), images[1])


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("images/a.png Hotel", DataError, "line 1: path and text should be separated by a TAB"),
        ("images/a.png\tHotel\nimages/b.png\t \n", DataError, "line 2: there is no text"),
        (" \tHotel", DataError, "line 1: there is no path"),
        ("images/a.png\tdon't", DataError, 'line 1: "\'" in "don\'t" is not among the characters'),
        ("\n", DataError, "no image with a text to read"),
        (
            "images/a.png\ta\nimages/x.png\tb\nimages/y.png\tc",
            DataNotFoundError,
            r"2 of 3 .* first is .*x\.png",
        ),
    ],
)
def test_errors_of_a_table_name_the_line(folder, table, error, message):
    write(folder, table)
    with pytest.raises(error, match=message):
        WordFolder(folder / "words.tsv")


def test_other_errors_of_folders(folder):
    with pytest.raises(DataNotFoundError, match=r"WordFolder: there is no table .*none\.tsv"):
        WordFolder(folder / "none.tsv")
    (folder / "words.tsv").write_bytes(b"images/a.png\t\xff\xfe")
    with pytest.raises(DataError, match=r"words\.tsv: not a readable table"):
        WordFolder(folder / "words.tsv")
    with pytest.raises(ArgumentError, match="others should be 'refuse', 'skip' or 'remove', not 'keep'"):
        WordFolder(folder / "words.tsv", others="keep")
    write(folder, "words.tsv\tabc")
    with pytest.raises(DataError, match=r"words\.tsv: not a readable image"):
        WordFolder(folder / "words.tsv")[0]


@pytest.mark.parametrize(
    ("others", "texts"), [("skip", ["abc"]), ("remove", ["abc", "dont"])], ids=["skip", "remove"]
)
def test_other_characters_are_left_out_when_asked_for(folder, others, texts):
    write(folder, "images/a.png\tabc\nimages/b.png\tdon't\nimages/c.png\t...")
    assert WordFolder(folder / "words.tsv", others=others).texts == texts


def test_any_characters_may_be_allowed(folder):
    write(folder, "images/a.png\tÜber 5 €")
    assert WordFolder(folder / "words.tsv", characters=None).texts == ["Über 5 €"]


def test_images_in_memory():
    images = [np.zeros((32, width, 1), np.uint8) for width in (8, 20, 30)]
    words = WordImages(images, ["a", "b", "c"])
    assert words.widths.tolist() == [8, 20, 30] and words[1][1] == "b" and len(words) == 3
    both = words.subset([2, 2]) + words
    assert both.texts == ["c", "c", "a", "b", "c"] and both.widths.tolist() == [30, 30, 8, 20, 30]
    with pytest.raises(ArgumentError, match="there are 3 images but 2 texts"):
        WordImages(images, ["a", "b"])
