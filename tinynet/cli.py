"""The command line: ``tinynet train lenet5`` and its companions.

Whatever takes long to import is imported by the command that needs it, so that ``--help`` is quick.
"""

import argparse
import os
import sys
from pathlib import Path

from tinynet.commands.arguments import add_command, add_device, not_negative, positive, shape
from tinynet.commands.inspect import add_inspect
from tinynet.commands.predict import add_predict
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
    from tinynet.commands.subjects import open_run

    run = open_run(options.run)
    scores = run.evaluate()
    print(f"{run.folder}: {run.report['title']}")
    print(f"test images of {run.report['data']}: " + _listed(scores))
    return SUCCESS


def _listed(scores):
    return ", ".join(
        f"{name} {value:.2%}" if "accuracy" in name else f"{name} {value:.4f}"
        for name, value in scores.items()
    )


def _summary(options):
    from tinynet import inspection
    from tinynet.commands.subjects import structure

    print(inspection.summary(*structure(options.model, options.input, options.classes)))
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
    for add in (
        _add_recipes,
        _add_train,
        _add_evaluate,
        add_predict,
        _add_summary,
        add_inspect,
        _add_report,
    ):
        add(commands)
    return parser


def _add_recipes(commands):
    add_command(commands, "recipes", _recipes, "list the documented experiments")


def _add_train(commands):
    parser = add_command(commands, "train", _train, "train what a recipe describes")
    parser.add_argument("name", metavar="NAME", help="a recipe; see: tinynet recipes")
    parser.add_argument(
        "--full", action="store_const", const=True, help="at the documented size; may take hours"
    )
    parser.add_argument("--data", help="the data set to train on")
    parser.add_argument("--epochs", type=positive, help="how many epochs to train")
    parser.add_argument("--batch-size", type=positive, help="how many images in a batch")
    parser.add_argument("--lr", type=float, help="the learning rate; the highest, where it varies")
    parser.add_argument("--seed", type=not_negative, help="of everything random (default: 0)")
    parser.add_argument("--out", metavar="FOLDER", help="where the files go (default: runs/NAME)")
    parser.add_argument("--resume", action="store_true", help="go on with the run that is there")
    parser.add_argument("--workers", type=not_negative, default=0, help="threads that load batches")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the result")
    add_device(parser)


def _add_evaluate(commands):
    parser = add_command(commands, "evaluate", _evaluate, "test a trained model on the test images")
    parser.add_argument("run", metavar="RUN", help="the folder of a run, or its name in runs/")
    add_device(parser)


def _add_summary(commands):
    parser = add_command(commands, "summary", _summary, "print the layers of a model")
    parser.add_argument("model", metavar="MODEL", help="the name of a model, for example lenet5")
    parser.add_argument("--input", type=shape, metavar="HxWxC", help="the shape of an image, as in 28x28x1")
    parser.add_argument("--classes", type=positive, help="how many classes the model tells apart")
    add_device(parser)


def _add_report(commands):
    parser = add_command(commands, "report", _report, "compare documented figures with those obtained")
    parser.add_argument("folder", metavar="RUNS", nargs="?", default="runs", help="default: runs")


class _Version(argparse.Action):
    def __call__(self, parser, *_):
        import tinynet

        print(f"tinynet {tinynet.__version__}")
        parser.exit()
