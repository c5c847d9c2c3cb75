"""The documented experiments, each to be run by its name: data, model and training, measured by its figures.

report = tn.recipes.run(tn.recipes.get("lenet5"))
"""

from tinynet.models.registry import find
from tinynet.recipes import arithmetic, experiment
from tinynet.recipes.base import Figure, Pixels, Recipe, Settings, Study
from tinynet.recipes.calibration import CALIBRATION
from tinynet.recipes.capsnet import CAPSNET
from tinynet.recipes.cats_dogs import MOBILENET, VGG_16
from tinynet.recipes.cifar import GOOGLENET, NIN, PLAIN_20, RESNET_20
from tinynet.recipes.crnn import CRNN
from tinynet.recipes.densenet import MNIST_DENSENET
from tinynet.recipes.depths import DEPTHS
from tinynet.recipes.ensemble import ENSEMBLE
from tinynet.recipes.lenet5 import LENET5
from tinynet.recipes.mnist import CONV, CONV5, DENSE_200, DENSE_1024
from tinynet.recipes.options import Options
from tinynet.recipes.report import find_reports, read_report
from tinynet.recipes.runs import Run
from tinynet.recipes.studies import Work, run_study
from tinynet.recipes.transfer import TRANSFER
from tinynet.recipes.word_runs import WordRun, reads_words

__all__ = [
    "Figure",
    "Options",
    "Pixels",
    "Recipe",
    "Run",
    "Settings",
    "Study",
    "WordRun",
    "Work",
    "available",
    "find_reports",
    "get",
    "read_report",
    "reads_words",
    "run",
]

_RECIPES = {
    recipe.name: recipe
    for recipe in (
        LENET5,
        DENSE_1024,
        DENSE_200,
        CONV,
        CONV5,
        MNIST_DENSENET,
        CAPSNET,
        NIN,
        GOOGLENET,
        RESNET_20,
        PLAIN_20,
        DEPTHS,
        VGG_16,
        MOBILENET,
        TRANSFER,
        CALIBRATION,
        ENSEMBLE,
        arithmetic.IDENTITY,
        arithmetic.ARITHMETIC,
        arithmetic.COUNTING,
        arithmetic.SPOKEN_NUMBERS,
        arithmetic.TIMEKEEPING,
        CRNN,
    )
}


def available():
    """The names of the recipes."""
    return list(_RECIPES)


def get(name):
    """The recipe of this name. Raises UnknownNameError when there is none."""
    return find("recipe", name, _RECIPES)


def run(recipe, options=None):
    """Trains what a recipe describes, or conducts a study, on the default device.

    Args:
        recipe: a `Recipe` or a `Study`.
        options: `Options`.

    Returns:
        The report that the folder of the run then holds as ``report.json``; see `experiment.run` and
        `studies.run_study` for the other files and for the errors.
    """
    conduct = run_study if isinstance(recipe, Study) else experiment.run
    return conduct(recipe, options or Options())
