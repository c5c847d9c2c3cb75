"""The command line: ``tinynet train lenet5`` and its companions.

Whatever takes long to import is imported by the command that needs it, so that ``--help`` is quick.
"""

import argparse
import os
import sys
from pathlib import Path

from tinynet.errors import ArgumentError, TinynetError

__all__ = ["main"]

SUCCESS, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments=None):
    """Runs one command.

    Args:
        arguments: the words after ``tinynet``; None takes them from ``sys.argv``.

    Returns:
        The exit status: 0; 1 when the command failed; 2 when the words make no sense; 130 after Ctrl-C.
    """
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as ending:  # argparse has said what is wrong, or printed its help
        return ending.code
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("\ntinynet: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what is still unwritten goes nowhere, without a complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except (TinynetError, OSError) as error:
        if options.debug:
            raise
        print(f"tinynet: {error}", file=sys.stderr)
        return USAGE if isinstance(error, ArgumentError) else FAILURE


def _run(options):
    if options.device is None:
        return options.command(options)
    import tinynet as tn

    with tn.device(options.device):
        return options.command(options)


# The commands


def _recipes(_options):
    from tinynet import recipes
    from tinynet.recipes.report import number_text

    for name in recipes.available():
        recipe = recipes.get(name)
        print(f"{name}\n    {recipe.title}\n    trains on {', '.join(recipe.settings)}")
        for figure in recipe.figures:
            if figure.quantity != "parameters":
                where = "" if figure.data is None else f" on {figure.data}"
                number = number_text(figure.quantity, figure.value)
                print(f"    {figure.quantity.replace('_', ' ')} {number}{where} ({figure.origin})")
        if recipe.full is not None:
            print("    with --full: at the documented size")
    return SUCCESS


def _train(options):
    from tinynet import recipes

    recipe = recipes.get(options.name)
    choice = recipes.Options(
        full=options.full,
        data=options.data,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.lr,
        seed=options.seed,
        folder=options.out,
        resume=options.resume,
        workers=options.workers,
        verbose=0 if options.quiet else 1,
    )
    report = recipes.run(recipe, choice)
    folder = choice.folder_for(recipe)
    if report["status"] == "interrupted":
        print(
            f"\ntinynet: interrupted; to go on, repeat the command with --resume ({folder})", file=sys.stderr
        )
        return INTERRUPTED
    if not options.quiet:
        print()
    print(f"{_verdict(report)}\nfiles in {folder}/")
    return SUCCESS


def _verdict(report):
    """One line for each result that people ask for, with the documented figure where there is one."""
    from tinynet.recipes.report import number_text

    documented = {row["quantity"]: row for row in report["comparison"]}
    lines = []
    for quantity, value in report["results"].items():
        if quantity in ("parameters", "test_loss"):
            continue
        line = f"{quantity.replace('_', ' ')} {number_text(quantity, value)}"
        if row := documented.get(quantity):
            reached = "reached" if row["reached"] else "not reached"
            line += f"; {row['origin']}: {number_text(quantity, row['documented'])}, {reached}"
        lines.append(line)
    return "\n".join(lines)


def _evaluate(options):
    run = _open_run(options.run)
    scores = run.evaluate()
    print(f"{run.folder}: {run.report['title']}")
    print(f"test images of {run.report['data']}: " + _listed(scores))
    return SUCCESS


def _listed(scores):
    return ", ".join(
        f"{name} {value:.2%}" if "accuracy" in name else f"{name} {value:.4f}"
        for name, value in scores.items()
    )


def _predict(options):
    if options.model is not None or options.weights is not None:
        _refuse_word_options(options)
        return _predict_with_weights(options)
    import numpy as np

    from tinynet import recipes

    run = _open_run(options.run or "lenet5")
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


def _open_run(name):
    from tinynet import recipes

    folder = Path(name) if Path(name).is_dir() else _folder_in_runs(name)
    report = recipes.read_report(folder)
    if recipes.reads_words(report):
        return recipes.WordRun(folder)
    return recipes.Run(folder, recipes.get(report["recipe"]))


def _folder_in_runs(name):
    """``runs/name``; where it isn't there, an error says what would help."""
    from tinynet import recipes
    from tinynet.models.registry import find

    folders = {folder.name: folder for folder in Path("runs").glob("*/")}
    if name in recipes.available() and name not in folders:
        raise TinynetError(f"{name} has not been trained here; do it with: tinynet train {name}")
    return find("run", name, folders)


def _summary(options):
    from tinynet import inspection, models, nn

    chosen = {} if options.classes is None else {"num_classes": options.classes}
    with nn.init.skipped():  # a table takes no weights
        if options.input is None:
            model = models.create(options.model, **chosen)
        else:
            model = models.create_for(options.model, options.input, **chosen)
    print(inspection.summary(model, options.input or model.input_shape))
    return SUCCESS


def _report(options):
    from tinynet import recipes
    from tinynet.recipes import report

    reports = report.find_reports(options.folder)
    if not reports:
        raise TinynetError(f"{options.folder}: there are no runs here")
    is_one_run = (Path(options.folder) / report.FILE_NAME).exists()
    print(report.table(reports, () if is_one_run else recipes.available()))
    return SUCCESS


# The words


def _parser():
    parser = argparse.ArgumentParser(prog="tinynet", description="Neural networks, from scratch.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_recipes, _add_train, _add_evaluate, _add_predict, _add_summary, _add_report):
        add(commands)
    return parser


def _add(commands, name, command, description):
    parser = commands.add_parser(
        name, help=description, description=f"{description[0].upper()}{description[1:]}."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(command=command, device=None)
    return parser


def _add_device(parser):
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: $TINYNET_DEVICE, else cpu)")


def _add_recipes(commands):
    _add(commands, "recipes", _recipes, "list the documented experiments")


def _add_train(commands):
    parser = _add(commands, "train", _train, "train what a recipe describes")
    parser.add_argument("name", metavar="NAME", help="a recipe; see: tinynet recipes")
    parser.add_argument(
        "--full", action="store_const", const=True, help="at the documented size; may take hours"
    )
    parser.add_argument("--data", help="the data set to train on")
    parser.add_argument("--epochs", type=_positive, help="how many epochs to train")
    parser.add_argument("--batch-size", type=_positive, help="how many images in a batch")
    parser.add_argument("--lr", type=float, help="the learning rate; the highest, where it varies")
    parser.add_argument("--seed", type=_not_negative, help="of everything random (default: 0)")
    parser.add_argument("--out", metavar="FOLDER", help="where the files go (default: runs/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on with the run that is there")
    parser.add_argument("--workers", type=_not_negative, default=0, help="threads that load batches")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the result")
    _add_device(parser)


def _add_evaluate(commands):
    parser = _add(commands, "evaluate", _evaluate, "test a trained model on the test images")
    parser.add_argument("run", metavar="RUN", help="the folder of a run, or its name in runs/")
    _add_device(parser)


def _add_predict(commands):
    parser = _add(commands, "predict", _predict, "tell what image files show")
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
        type=_positive,
        help="how many classes to name (default: 3, with --model 5), or how many readings of a word (1)",
    )
    words = parser.add_argument_group("for runs that read words")
    words.add_argument("--beam", type=_positive, help="search with so many beginnings (default: best path)")
    words.add_argument("--words", metavar="FILE", help="read only words of this list, one a line")
    words.add_argument(
        "--probabilities", action="store_true", help="print what the network says of each step"
    )
    words.add_argument("--save", metavar="PICTURE", help="draw image and alignment into this PNG file")
    _add_device(parser)


def _add_summary(commands):
    parser = _add(commands, "summary", _summary, "print the layers of a model")
    parser.add_argument("model", metavar="MODEL", help="the name of a model, for example lenet5")
    parser.add_argument("--input", type=_shape, metavar="HxWxC", help="the shape of an image, as in 28x28x1")
    parser.add_argument("--classes", type=_positive, help="how many classes the model tells apart")
    _add_device(parser)


def _add_report(commands):
    parser = _add(commands, "report", _report, "compare documented figures with those obtained")
    parser.add_argument("folder", metavar="RUNS", nargs="?", default="runs", help="default: runs")


class _Version(argparse.Action):
    def __call__(self, parser, *_):
        import tinynet

        print(f"tinynet {tinynet.__version__}")
        parser.exit()


def _positive(text):
    return _at_least(1, text)


def _not_negative(text):
    return _at_least(0, text)


def _at_least(least, text):
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"{number} is less than {least}")
    return number


def _shape(text):
    try:
        shape = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 28x28x1")
    return shape
