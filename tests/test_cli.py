import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import tinynet as tn
from small_data import small_digits, use_small_data
from tinynet.cli import main


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys):
    """Runs the command line in an empty folder, on small data: (status, output, errors)."""
    use_small_data(monkeypatch)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # pictures take longest
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINYNET_DEVICE", raising=False)

    def run(words):
        status = main(words.split())
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def lines(text):
    return [line for line in text.splitlines() if line.strip()]


def test_recipes_are_listed_with_their_figures(cli):
    status, output, _ = cli("recipes")
    assert status == 0
    assert [line for line in output.splitlines() if not line.startswith(" ")] == tn.recipes.available()
    assert "99.06% on mnist (Dey, chapter 10)" in output


def test_train_prints_table_progress_result_and_place(cli, tmp_path):
    status, output, errors = cli("train lenet5 --epochs 2 --batch-size 16 --seed 3")
    assert (status, errors) == (0, "")
    assert "Total params: 61,706" in output
    assert "epochs 2, batch size 16, learning rate 0.008, seed 3, device cpu" in output
    assert re.search(r"^epoch 2/2  loss", output, re.MULTILINE)
    last = lines(output)[-2:]
    assert re.fullmatch(r"test accuracy [\d.]+%; goal of this project: 98.00%, (not )?reached", last[0])
    assert last[1] == f"files in {os.path.join('runs', 'lenet5')}/"
    assert (tmp_path / "runs" / "lenet5" / "report.json").exists()


def test_quiet_training_prints_only_the_result(cli):
    status, output, errors = cli("train mnist-dense-200 --data fashion-mnist --epochs 1 --quiet --out here")
    assert (status, errors) == (0, "")
    assert re.fullmatch(r"test accuracy [\d.]+%\nfiles in here/\n", output)


def test_options_reach_the_run(cli):
    words = "train mnist-dense-200 --data fashion-mnist --epochs 1 --batch-size 20 --lr 0.5 --seed 4 --quiet"
    cli(words + " --workers 2")
    report = tn.recipes.read_report("runs/mnist-dense-200")
    assert report["settings"] == {
        "full": False,
        "data": "fashion-mnist",
        "epochs": 1,
        "batch_size": 20,
        "learning_rate": 0.5,
        "seed": 4,
    }


def press_ctrl_c_after(patch, batches):
    step = tn.optim.Optimizer.step
    done = []

    def step_and_count(self):
        step(self)
        done.append(None)
        if len(done) == batches:
            signal.raise_signal(signal.SIGINT)

    patch.setattr(tn.optim.Optimizer, "step", step_and_count)


def test_interrupted_and_resumed_training_equals_an_uninterrupted_one(cli, tmp_path, monkeypatch):
    words = "train mnist-dense-200 --epochs 2 --batch-size 16 --quiet"
    assert cli(f"{words} --out whole")[0] == 0
    with monkeypatch.context() as patch:
        press_ctrl_c_after(patch, 8)
        status, _, errors = cli(f"{words} --out parts")
    assert status == 130
    assert errors.strip() == "tinynet: interrupted; to go on, repeat the command with --resume (parts)"
    assert cli("train mnist-dense-200 --quiet --out parts --resume")[0] == 0
    whole, parts = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts


def test_evaluate_takes_a_name_and_a_folder(cli, tmp_path):
    cli("train lenet5 --epochs 12 --batch-size 16 --quiet")
    for name in ("lenet5", "runs/lenet5", str(tmp_path / "runs" / "lenet5")):
        status, output, _ = cli(f"evaluate {name}")
        assert status == 0
        assert re.search(r"test images of digits: loss [\d.]+, accuracy 100.00%", output)


def test_predict_reads_image_files(cli, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    cli("train lenet5 --epochs 12 --batch-size 16 --quiet")
    split = small_digits().test
    expected = {}
    for index in range(4):
        page = np.full((200, 150), 230, np.uint8)  # dark on light, in a corner of a page
        ink = np.kron(split.images[index, ..., 0], np.ones((3, 3)))
        page[20:116, 30:126] = 230 - 200 * ink
        image.fromarray(page).convert("RGB").save(tmp_path / f"{index}.png")
        expected[f"{index}.png"] = split.labels[index]
    status, output, errors = cli(f"predict --top 2 {' '.join(expected)}")
    assert (status, errors) == (0, "")
    answers = [re.fullmatch(r"(\S+): (\d) ([\d.]+)%  (\d) ([\d.]+)%", line) for line in lines(output)]
    assert [answer[1] for answer in answers] == list(expected)
    assert all(float(answer[3]) >= float(answer[5]) for answer in answers)
    right = sum(int(answer[2]) == expected[answer[1]] for answer in answers)
    assert right >= 3  # the patterns are framed anew, which may move one out of recognition


def test_report_shows_all_runs(cli):
    cli("train lenet5 --epochs 1 --quiet")
    cli("train mnist-dense-200 --epochs 1 --quiet")
    status, output, _ = cli("report")
    assert status == 0
    listed = [line.split()[0] for line in lines(output) if line[0] not in " ─"]
    assert listed[:3] == ["run", "lenet5", "mnist-dense-200"]
    assert sorted(listed[1:]) == sorted(tn.recipes.available())
    assert "98.26%" in output
    assert output.count("(not run)") == len(tn.recipes.available()) - 2
    alone = cli("report runs/lenet5")[1]
    assert (alone.count("lenet5"), alone.count("(not run)")) == (1, 0)


@pytest.mark.parametrize(
    ("words", "total"),
    [
        ("summary mnist-conv", "1,199,882"),
        ("summary lenet5", "61,706"),
        ("summary mnist-dense-1024 --input 28x28x1", "814,090"),
        ("summary lenet5 --input 28x28x1", "61,706"),
        ("summary vgg16 --input 50x50x3 --classes 2", "33,605,442"),
        ("summary resnet152 --input 224x224x3", "60,344,232"),
    ],
)
def test_summary_prints_the_table(words, total, cli):
    status, output, _ = cli(words)
    assert status == 0
    assert f"Total params: {total}" in output


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ("train lenet", 2, "there is no recipe 'lenet'; did you mean 'lenet5'?"),
        ("train lenet5 --data mnits", 2, "there is no data set of lenet5 'mnits'; did you mean 'mnist'?"),
        ("train lenet5 --lr 0", 2, "learning_rate should be positive, not 0.0"),
        ("train lenet5 --device gpu", 2, "device: expected 'cpu', 'cuda' or 'cuda:N', not 'gpu'"),
        ("train lenet5 --resume", 1, "runs/lenet5: there is no run here (report.json is missing)"),
        ("evaluate lenet5", 1, "lenet5 has not been trained here; do it with: tinynet train lenet5"),
        ("evaluate nothing", 2, "there is no run 'nothing'; there is none"),
        ("predict x.png --run nothing", 2, "there is no run 'nothing'; there is none"),
        ("summary lenet6", 2, "there is no model 'lenet6'; did you mean 'lenet5'?"),
        ("report", 1, "runs: there are no runs here"),
    ],
)
def test_errors_are_one_line(words, status, text, cli):
    assert cli(words) == (status, "", f"tinynet: {text}\n")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("trian lenet5", "invalid choice: 'trian'"),
        ("train", "the following arguments are required: NAME"),
        ("train lenet5 --epochs 0", "argument --epochs: 0 is less than 1"),
        ("train lenet5 --epochs ten", "argument --epochs: 'ten' is not an integer"),
        ("train lenet5 --seed -1", "argument --seed: -1 is less than 0"),
        ("summary lenet5 --classes 0", "argument --classes: 0 is less than 1"),
        ("summary lenet5 --input 28x", "argument --input: '28x' is not a shape such as 28x28x1"),
        ("predict", "the following arguments are required: IMAGE"),
    ],
)
def test_words_that_make_no_sense_are_refused(words, text, cli):
    status, output, errors = cli(words)
    assert (status, output) == (2, "")
    assert text in errors


def test_shape_error_names_the_layer(cli):
    status, _, errors = cli("summary mnist-conv --input 20x20x1")
    assert status == 2
    assert errors.endswith("[dense1]\n")
    assert len(lines(errors)) == 1


def test_missing_gpu_is_reported(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    status, _, errors = cli("summary lenet5 --device cuda")
    assert status == 1
    assert "device 'cuda:0' needs CuPy" in errors


def test_files_that_are_no_images_are_named(cli, tmp_path):
    pytest.importorskip("PIL", reason="reading pictures needs Pillow")
    cli("train lenet5 --epochs 1 --quiet")
    (tmp_path / "text.png").write_text("no image")
    for name in ("text.png", "missing.png"):
        status, output, errors = cli(f"predict {name}")
        assert (status, output) == (1, "")
        assert errors.startswith(f"tinynet: {name}: not a readable image: ")
        assert len(lines(errors)) == 1


def test_damaged_run_is_an_error(cli, tmp_path):
    cli("train lenet5 --epochs 1 --quiet")
    path = tmp_path / "runs" / "lenet5" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    status, _, errors = cli("evaluate lenet5")
    assert status == 1
    assert "model.safetensors" in errors
    assert len(lines(errors)) == 1


def test_debug_shows_the_traceback(cli):
    with pytest.raises(tn.errors.TinynetError, match="there is no recipe 'x'"):
        cli("train x --debug")


def test_device_is_that_of_the_command_only(cli):
    assert cli("summary lenet5 --device cpu")[0] == 0
    assert tn.default_device() == "cpu"
    assert tn.backend._defaults.device is None


def test_help_and_version_load_nothing_heavy():
    code = (
        "import sys; from tinynet.cli import main; status = main(sys.argv[1:]); "
        "heavy = {'numba', 'matplotlib', 'sklearn', 'PIL', 'tqdm', 'tinynet.recipes'} & set(sys.modules); "
        "print(status, sorted(heavy))"
    )
    for word, text in (("--help", "commands:"), ("--version", f"tinynet {tn.__version__}")):
        done = subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True, check=True)
        assert text in done.stdout
        assert done.stdout.endswith("0 []\n")


def test_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "tinynet", "train", "nothing-like-it"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"tinynet: there is no recipe 'nothing-like-it'; there is {', '.join(sorted(tn.recipes.available()))}"
    )
