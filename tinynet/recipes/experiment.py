"""A recipe on its way from its settings to a trained model and the files of its run."""

import tinynet as tn
from tinynet import inspection
from tinynet.errors import MissingExtraError
from tinynet.recipes import data as data_sets
from tinynet.recipes import report as reports
from tinynet.recipes.options import described, settle
from tinynet.training import Checkpoint, CSVLog, Trainer

__all__ = ["CHECKPOINT", "MODEL", "run"]

CHECKPOINT = "checkpoint.safetensors"
MODEL = "model.safetensors"
HISTORY = "history.csv"
PICTURES = ("curves.png", "predictions.png", "confusion.png")
# A run that is killed, rather than stopped with Ctrl-C, loses at most this much work.
SECONDS_BETWEEN_CHECKPOINTS = 60
PREDICTIONS_SHOWN = 48


def run(recipe, options):
    """Trains what a recipe describes, on the default device, and writes the files of the run.

    The folder then holds ``model.safetensors``, ``checkpoint.safetensors``, ``history.csv``,
    ``report.json``, and, where Matplotlib is installed, ``curves.png``, ``predictions.png``,
    ``confusion.png`` and the recipe's own pictures. The default generator is seeded anew.

    Args:
        recipe: a `Recipe`.
        options: `Options`.

    Returns:
        The report, as in ``report.json``. Its ``status`` is ``"interrupted"`` when Ctrl-C ended the training;
        the checkpoint then holds everything that is needed to resume.

    Raises:
        ArgumentError: the recipe does not train on that data set, or a resumed run was begun otherwise.
        CheckpointError: there is no checkpoint to resume from, or it is damaged.
    """
    experiment = _Experiment(recipe, options)
    experiment.announce()
    history = experiment.fit()
    return experiment.finish(history)


class _Experiment:
    def __init__(self, recipe, options):
        self.options = options
        self.folder = options.folder_for(recipe)
        self.settings = settle(recipe, options)
        self.recipe = recipe = recipe.sized(self.settings["full"])
        self.seed = self.settings["seed"]
        self.data = data_sets.load(self.settings["data"])
        self.train, self.test = (
            data_sets.prepare(split, recipe.pixels) for split in (self.data.train, self.data.test)
        )
        self.validation = self.test
        if recipe.validation_images:
            self.train, self.validation = data_sets.hold_out(self.train, recipe.validation_images, self.seed)
        tn.manual_seed(self.seed)
        self.input_shape = self.train.images.shape[1:]
        self.model = recipe.model(self.input_shape, len(self.data.class_names))
        self.trainer = self._make_trainer()

    def _make_trainer(self):
        rate = self.settings["learning_rate"]
        optimizer = self.recipe.optimizer(self.model.parameters(), rate)
        schedule = None
        if self.recipe.schedule is not None:
            schedule = self.recipe.schedule(optimizer, rate, self._total_steps())
        return Trainer(
            self.model,
            optimizer,
            self.recipe.loss_of(self.model),
            metrics=["accuracy"],
            schedule=schedule,
            schedule_every="batch",
            regularizer=self.recipe.regularizer,
        )

    def _total_steps(self):
        one_pass = -(-len(self.train) // self.settings["batch_size"])
        return self.settings["epochs"] * (self.recipe.steps_per_epoch or one_pass)

    def announce(self):
        """Prints what will be trained on what."""
        if self.options.verbose:
            print(f"{self.recipe.name}: {self.recipe.title}\n")
            print(inspection.summary(self.model, self.input_shape), "\n")
            print(
                f"data {self.data.name}: {len(self.train):,} images to train on, "
                f"{len(self.test):,} to test with"
            )
            print(f"{described(self.settings)}, device {tn.default_device()}\n", flush=True)

    def fit(self):
        """Trains, writing checkpoint and history as it goes. Returns the history."""
        checkpoint = self.folder / CHECKPOINT
        if not self.options.resume:
            self._clear()
            reports.write_report(self.folder, self._report("running", {}, 0.0))
        callbacks = [
            CSVLog(self.folder / HISTORY),
            Checkpoint(checkpoint, every_seconds=SECONDS_BETWEEN_CHECKPOINTS),
        ]
        return self.trainer.fit(
            self.train.dataset(self.recipe.augmentation),
            validation_data=tuple(self.validation),
            epochs=self.settings["epochs"],
            batch_size=self.settings["batch_size"],
            shuffle=self.recipe.shuffle,
            seed=self.seed,
            callbacks=callbacks,
            verbose=self.options.verbose,
            resume=checkpoint if self.options.resume else None,
            workers=self.options.workers,
            steps_per_epoch=self.recipe.steps_per_epoch,
        )

    def _clear(self):
        """Removes what an earlier run left behind, which a crash would leave beside the new files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (CHECKPOINT, MODEL, HISTORY, reports.FILE_NAME, *PICTURES, *self.recipe.pictures):
            (self.folder / name).unlink(missing_ok=True)

    def finish(self, history):
        """Tests the model, writes model, pictures and report. Returns the report."""
        seconds = sum(row["seconds"] for row in history.epochs)
        if history.interrupted:
            report = self._report("interrupted", {}, seconds)
        else:
            self.model.save(self.folder / MODEL)
            scores = self.trainer.evaluate(*self.test)
            results = {f"test_{name}": value for name, value in scores.items()}
            report = self._report("finished", results, seconds)
            self._draw(history)
        reports.write_report(self.folder, report)
        return report

    def _report(self, status, results, seconds):
        results = {"parameters": self.model.num_parameters(), **results}
        return reports.make_report(
            self.recipe,
            self.settings,
            status,
            results,
            seconds,
            data=self.data.name,
            images={"train": len(self.train), "test": len(self.test)},
            model={"input_shape": list(self.input_shape), "class_names": list(self.data.class_names)},
        )

    def _draw(self, history):
        try:
            history.plot(self.folder / PICTURES[0])
            self._draw_predictions()
            for name, draw in self.recipe.pictures.items():
                draw(self.folder / name, self.model, *self.test)
        except MissingExtraError as error:
            if self.options.verbose:
                print(f"no pictures: {error}")

    def _draw_predictions(self):
        images, labels = self.test
        scores = self.trainer.predict(images)
        names = self.data.class_names
        shown = slice(PREDICTIONS_SHOWN)
        inspection.prediction_grid(
            self.folder / PICTURES[1],
            self.data.test.images[shown],
            self.recipe.probabilities(scores[shown]),
            labels[shown],
            names,
        )
        matrix = inspection.confusion_matrix(labels, scores.argmax(axis=1), len(names))
        inspection.confusion_picture(self.folder / PICTURES[2], matrix, names)
