"""Residual against plain networks as they get deeper, CIFAR-10.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section
4.2 and figure 6: plain networks learn worse the deeper they are, residual networks do not.
"""

import csv
from dataclasses import replace

from tinynet.errors import MissingExtraError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.recipes import experiment
from tinynet.recipes.base import Figure, Settings, Study
from tinynet.recipes.cifar import residual_recipe
from tinynet.recipes.report import FILE_NAME, read_report
from tinynet.training import History

__all__ = ["DEPTHS"]

# Parameters of the networks of 8, 20, 32 and 56 layers; without projections, both kinds have the same.
PARAMETERS = {8: 75_290, 20: 269_722, 32: 464_154, 56: 853_018}
KINDS = ("plain", "resnet")


def _conduct(work):
    """Trains eight networks on the same batches, each in a folder of its own."""
    histories = {}
    for depth, parameters in PARAMETERS.items():
        for kind in KINDS:
            recipe = residual_recipe(kind, depth, parameters)
            work.say(f"\n{recipe.title}")
            report = _train(recipe, work)
            if report["status"] == "interrupted":
                raise KeyboardInterrupt
            histories[kind, depth] = History.from_csv(work.folder / recipe.name / experiment.HISTORY)
    _write_table(work.folder / "losses.csv", histories)
    try:
        _draw(work.folder / "depths.png", histories)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")
    last = {(kind, depth): history["loss"][-1] for (kind, depth), history in histories.items()}
    results = {f"training_loss_{kind}{depth}": loss for (kind, depth), loss in last.items()}
    for depth in PARAMETERS:
        results[f"loss_ratio_{depth}_layers"] = last["resnet", depth] / last["plain", depth]
    return results


def _train(recipe, work):
    """One training; one that was begun before is taken up where it was when the study is resumed."""
    folder = work.folder / recipe.name
    begun = work.options.resume and (folder / FILE_NAME).exists()
    if begun and read_report(folder)["status"] == "finished":
        return read_report(folder)
    choice = replace(
        work.options,
        folder=folder,
        resume=begun and (folder / experiment.CHECKPOINT).exists(),
        **work.settings,
    )
    return experiment.run(recipe, choice)


def _write_table(path, histories):
    """The training loss of each epoch, a column for each network."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", *(f"{kind}{depth}" for kind, depth in histories)])
        columns = [history["loss"] for history in histories.values()]
        writer.writerows([epoch, *losses] for epoch, losses in enumerate(zip(*columns, strict=True), start=1))


def _draw(path, histories):
    """The training loss by epoch: plain networks on the left, residual ones on the right."""
    figure = new_figure(10, 4)
    panels = figure.subplots(1, 2, sharey=True)
    for panel, kind, title in zip(panels, KINDS, ("plain networks", "residual networks"), strict=True):
        for depth in PARAMETERS:
            loss = histories[kind, depth]["loss"]
            panel.plot(range(1, len(loss) + 1), loss, marker="o", markersize=3, label=f"{depth} layers")
        panel.set(title=title, xlabel="epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend()
    panels[0].set_ylabel("training loss")
    return save_figure(figure, path)


def _ratio(depth):
    """Residual networks end at a lower training loss than plain ones."""
    return Figure(f"loss_ratio_{depth}_layers", 1.0, "He et al., figure 6", goal="at most")


_DEPTHS = Study(
    name="depths",
    title="Plain against residual networks of 8, 20, 32 and 56 layers",
    source="He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, section 4.2",
    settings={"cifar10": Settings(2, 128, 0.1), "cifar10-jpeg": Settings(6, 128, 0.1)},
    figures=(_ratio(20), _ratio(32), _ratio(56)),
    conduct=_conduct,
)

DEPTHS = replace(_DEPTHS, full=replace(_DEPTHS, settings={"cifar10": Settings(164, 128, 0.1)}))
