"""What a caller may choose about a run, and what follows from it."""

from dataclasses import dataclass
from pathlib import Path

from tinynet.errors import ArgumentError
from tinynet.models.registry import find
from tinynet.recipes.report import read_report

__all__ = ["Options", "described", "settle"]


@dataclass(frozen=True)
class Options:
    """What a caller may choose about a run; None leaves the choice to the recipe.

    Attributes:
        full: whether to do it at the documented size, which may take hours; False by default.
        data: the name of the data set.
        epochs, batch_size, learning_rate: as in `Settings`.
        seed: for weights, dropout, the order of the samples, and images set aside; 0 by default.
        folder: where the files go; ``runs/NAME`` by default.
        resume: whether to go on with the run in that folder, with the settings that it was begun with.
        workers: how many threads load batches.
        verbose: 0 prints nothing; 1 the table of layers, a progress bar and a line for each epoch.
    """

    full: bool | None = None
    data: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    seed: int | None = None
    folder: str | Path | None = None
    resume: bool = False
    workers: int = 0
    verbose: int = 1

    def folder_for(self, recipe):
        """The folder of a run of this recipe, as a path."""
        return Path(self.folder or Path("runs") / recipe.name)


def settle(recipe, options):
    """The settings of a run: what was chosen, and where nothing was, what the recipe says.

    Returns:
        A dictionary with full, data, epochs, batch_size, learning_rate and seed, as the report stores it.

    Raises:
        UnknownNameError: the recipe does not train on that data set.
        ArgumentError: a number is out of its range, or differs from that of the run to be resumed.
        DataError: there is no run to be resumed.
    """
    if options.resume:
        begun = _begun_settings(recipe, options.folder_for(recipe))
    else:
        recipe = recipe.sized(options.full)
        name = options.data or recipe.default_data
        settings = find(f"data set of {recipe.name}", name, recipe.settings)
        begun = {"full": False, "data": name, **vars(settings), "seed": 0}
    settled = {
        key: value if getattr(options, key) is None else getattr(options, key) for key, value in begun.items()
    }
    if options.resume:
        _check_unchanged(recipe, begun, settled)
    _check_ranges(settled)
    return settled


def described(settings):
    """The numbers among settled settings, for people to read."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in settings.items()
        if name not in ("data", "full")
    )


def _begun_settings(recipe, folder):
    report = read_report(folder)
    if report["recipe"] != recipe.name:
        raise ArgumentError(f"{folder}: this is a run of {report['recipe']}, not of {recipe.name}")
    return report["settings"]


def _check_unchanged(recipe, begun, settled):
    for key, value in begun.items():
        may_change = key == "epochs" and recipe.sized(begun["full"]).may_be_prolonged
        if settled[key] != value and not may_change:
            name = key.replace("_", " ")
            raise ArgumentError(
                f"resume: the run was begun with {name} {value}, it cannot go on with {settled[key]}"
            )


def _check_ranges(settings):
    for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
        if settings[name] < least:
            raise ArgumentError(f"{name} should be at least {least}, not {settings[name]}")
    if not settings["learning_rate"] > 0:
        raise ArgumentError(f"learning_rate should be positive, not {settings['learning_rate']}")
