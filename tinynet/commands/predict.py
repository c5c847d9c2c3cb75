"""``tinynet predict``: what images show, by a run, a pretrained network, or a reader of words."""

from tinynet.commands.arguments import add_command, add_device, positive
from tinynet.errors import ArgumentError

__all__ = ["add_predict"]

SUCCESS = 0


def add_predict(commands):
    """Adds ``predict`` to the commands of the command line."""
    parser = add_command(commands, "predict", _predict, "tell what image files show")
    parser.add_argument(
        "images", metavar="IMAGE", nargs="+", help="image files, dark on light or light on dark"
    )
    parser.add_argument("--run", help="the folder of a run, or its name in runs/ (default: lenet5)")
    parser.add_argument("--model", help="instead of a run: the name of a model, with --weights")
    parser.add_argument(
        "--weights", metavar="FILE", help="its weights: safetensors, npz, .pt, .th, .h5, tfjs"
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="with --weights: the names of the classes, one a line"
    )
    parser.add_argument(
        "--top",
        type=positive,
        help="how many classes to name (default: 3, with --model 5), or how many readings of a word (1)",
    )
    words = parser.add_argument_group("for runs that read words")
    words.add_argument("--beam", type=positive, help="search with so many beginnings (default: best path)")
    words.add_argument("--words", metavar="FILE", help="read only words of this list, one a line")
    words.add_argument(
        "--probabilities", action="store_true", help="print what the network says of each step"
    )
    words.add_argument("--save", metavar="PICTURE", help="draw image and alignment into this PNG file")
    add_device(parser)


def _predict(options):
    if options.model is not None or options.weights is not None:
        _refuse_word_options(options)
        return _predict_with_weights(options)
    import numpy as np

    from tinynet import recipes
    from tinynet.commands.subjects import open_run

    run = open_run(options.run or "lenet5")
    if isinstance(run, recipes.WordRun):
        return _read_words(run, options)
    _refuse_word_options(options)
    images = np.stack([run.read_image(path) for path in options.images])
    for path, probabilities in zip(options.images, run.predict(images), strict=True):
        best = probabilities.argsort()[::-1][: options.top or 3]
        answers = "  ".join(f"{run.class_names[index]} {probabilities[index]:.1%}" for index in best)
        print(f"{path}: {answers}")
    return SUCCESS


def _read_words(run, options):
    if options.save is not None and len(options.images) > 1:
        raise ArgumentError(f"predict: --save takes a single image, not {len(options.images)}")
    words = None if options.words is None else run.word_list(options.words)
    top = options.top or 1
    # The best path is a single reading; a list of words has a width of its own by default.
    beam = options.beam or (max(10, top) if top > 1 and words is None else None)
    for path, image in [(path, run.read_image(path)) for path in options.images]:
        readings = run.reader.read(image, beam=beam, words=words, top=top)
        answers = [f"{text or '(nothing)'} {probability:.1%}" for text, probability in readings]
        print(f"{path}: {'  '.join(answers) or '(no word of the list)'}")
        if options.probabilities:
            print(run.reader.steps_table(image))
        if options.save is not None:
            print(f"alignment in {run.reader.picture(options.save, image, ', '.join(answers[:1]))}")
    return SUCCESS


def _refuse_word_options(options):
    for option in ("beam", "words", "probabilities", "save"):
        if getattr(options, option):
            raise ArgumentError(f"predict: --{option} is only for runs that read words")


def _predict_with_weights(options):
    from tinynet import models
    from tinynet.models.pretrained import read_class_names

    if options.run is not None or options.model is None or options.weights is None:
        raise ArgumentError("predict takes either --run, or --model and --weights together")
    network = models.pretrained(options.model, options.weights)
    predictions = network.predict(options.images)
    classes = predictions.shape[1]
    names = read_class_names(options.labels, classes) if options.labels else network.class_names(classes)
    for path, probabilities in zip(options.images, predictions, strict=True):
        print(f"{path}:")
        for index in probabilities.argsort()[::-1][: options.top or 5]:
            print(f"{probabilities[index]:8.1%}  {names[index]}")
    return SUCCESS
