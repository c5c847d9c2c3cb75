"""The documented experiments, each to be run by its name: data, model and training, measured by its figures.

report = tn.recipes.run(tn.recipes.get("lenet5"))
"""

from tinynet.models.registry import find
from tinynet.recipes.base import Figure, Recipe, Settings
from tinynet.recipes.experiment import run
from tinynet.recipes.lenet5 import LENET5
from tinynet.recipes.mnist import CONV, CONV5, DENSE_200, DENSE_1024
from tinynet.recipes.options import Options
from tinynet.recipes.report import find_reports, read_report
from tinynet.recipes.runs import Run

__all__ = [
    "Figure",
    "Options",
    "Recipe",
    "Run",
    "Settings",
    "available",
    "find_reports",
    "get",
    "read_report",
    "run",
]

_RECIPES = {recipe.name: recipe for recipe in (LENET5, DENSE_1024, DENSE_200, CONV, CONV5)}


def available():
    """The names of the recipes."""
    return list(_RECIPES)


def get(name):
    """The recipe of this name. Raises UnknownNameError when there is none."""
    return find("recipe", name, _RECIPES)
