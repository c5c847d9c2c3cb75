"""How a study is conducted, from its settings to the report in its folder."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import tinynet as tn
from tinynet.recipes import report as reports
from tinynet.recipes.options import Options, described, settle

__all__ = ["Work", "run_study"]


@dataclass(frozen=True)
class Work:
    """What a study works with.

    Attributes:
        folder: where its files go; it exists.
        settings: a dictionary with full, data, epochs, batch_size, learning_rate and seed.
        options: the `Options` that it was started with.
        details: what else the report shall hold, to be filled by the study.
    """

    folder: Path
    settings: dict
    options: Options
    details: dict = field(default_factory=dict)

    def say(self, text):
        """Prints a line, unless the caller wants silence."""
        if self.options.verbose:
            print(text, flush=True)

    def fit(self, trainer, *data, **options):
        """Trains in silence, with the settings of the study unless options say otherwise; see `Trainer.fit`.

        Raises KeyboardInterrupt after Ctrl-C: a study must not go on with half-trained networks.
        """
        chosen = {name: self.settings[name] for name in ("epochs", "batch_size", "seed")}
        history = trainer.fit(*data, verbose=0, workers=self.options.workers, **{**chosen, **options})
        if history.interrupted:
            raise KeyboardInterrupt
        return history


def run_study(study, options):
    """Conducts a study, on the default device. The default generator is seeded anew.

    Args:
        study: a `Study`.
        options: `Options`. With ``resume``, what the study has finished before is not done again.

    Returns:
        The report, as in ``report.json`` in the study's folder. Its ``status`` is ``"interrupted"`` when
        Ctrl-C ended the study.
    """
    folder = options.folder_for(study)
    settings = settle(study, options)
    study = study.sized(settings["full"])
    folder.mkdir(parents=True, exist_ok=True)
    work = Work(folder, settings, options)
    work.say(f"{study.name}: {study.title}\ndata {settings['data']}, {described(settings)}\n")
    reports.write_report(folder, reports.make_report(study, settings, "running", {}, 0.0))
    tn.manual_seed(settings["seed"])
    start = time.perf_counter()
    try:
        results, status = study.conduct(work), "finished"
    except KeyboardInterrupt:
        results, status = {}, "interrupted"
    seconds = time.perf_counter() - start
    report = reports.make_report(study, settings, status, results, seconds, **work.details)
    reports.write_report(folder, report)
    return report
