"""Images of words: drawn by the project, or read from folders of images with their texts."""

from tinynet.data.words.images import prepare_word, read_word_image, scaled_to_height, word_batch
from tinynet.data.words.light import Light
from tinynet.data.words.loader import WordLoader
from tinynet.data.words.rendering import Style, draw_word
from tinynet.data.words.sets import RenderedWords, WordFolder, WordImages
from tinynet.data.words.texts import CHARACTERS, draw_text

__all__ = [
    "CHARACTERS",
    "Light",
    "RenderedWords",
    "Style",
    "WordFolder",
    "WordImages",
    "WordLoader",
    "draw_text",
    "draw_word",
    "prepare_word",
    "read_word_image",
    "scaled_to_height",
    "word_batch",
]
