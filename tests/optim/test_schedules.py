"""The schedules against PyTorch's over 50 steps, their composition, saving and restoring."""

import json
import math

import numpy as np
import pytest

from tinynet import optim
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.nn.parameter import Parameter

RATES = (0.5, 0.02)


def make_optimizer(make=optim.SGD, **options):
    groups = [{"params": Parameter(np.ones(2)), "lr": rate} for rate in RATES]
    return make(groups, **options)


def warmup_in_torch(torch, optimizer, then=None):
    schedules = torch.optim.lr_scheduler
    warmup = schedules.LinearLR(optimizer, 0.1, total_iters=8)
    if then is None:
        return warmup
    return schedules.SequentialLR(optimizer, [warmup, then(schedules, optimizer)], milestones=[8])


# Name, ours of an optimiser, PyTorch's of the module and an optimiser.
CASES = {
    "step": (lambda o: optim.StepLR(o, 7, 0.3), lambda t, o: t.optim.lr_scheduler.StepLR(o, 7, 0.3)),
    "multi-step": (
        lambda o: optim.MultiStepLR(o, [30, 4, 4, 11], 0.5),
        lambda t, o: t.optim.lr_scheduler.MultiStepLR(o, [4, 4, 11, 30], 0.5),
    ),
    "exponential": (
        lambda o: optim.ExponentialLR(o, 0.93),
        lambda t, o: t.optim.lr_scheduler.ExponentialLR(o, 0.93),
    ),
    "cosine": (
        lambda o: optim.CosineAnnealingLR(o, 20, 1e-3),
        lambda t, o: t.optim.lr_scheduler.CosineAnnealingLR(o, 20, 1e-3),
    ),
    "lambda": (
        lambda o: optim.LambdaLR(o, lambda n: 1 / (1 + n)),
        lambda t, o: t.optim.lr_scheduler.LambdaLR(o, lambda n: 1 / (1 + n)),
    ),
    "a lambda for each group": (
        lambda o: optim.LambdaLR(o, [lambda n: 0.9**n, lambda n: 2.0]),
        lambda t, o: t.optim.lr_scheduler.LambdaLR(o, [lambda n: 0.9**n, lambda n: 2.0]),
    ),
    "warm-up": (lambda o: optim.LinearWarmup(o, 8, 0.1), warmup_in_torch),
    "warm-up, then step": (
        lambda o: optim.LinearWarmup(o, 8, 0.1, then=optim.StepLR(o, 5, 0.5)),
        lambda t, o: warmup_in_torch(t, o, lambda schedules, o: schedules.StepLR(o, 5, 0.5)),
    ),
    "warm-up, then cosine": (
        lambda o: optim.LinearWarmup(o, 8, 0.1, then=optim.CosineAnnealingLR(o, 42)),
        lambda t, o: warmup_in_torch(t, o, lambda schedules, o: schedules.CosineAnnealingLR(o, 42)),
    ),
    "one cycle": (
        lambda o: optim.OneCycleLR(o, 0.4, 51),
        lambda t, o: t.optim.lr_scheduler.OneCycleLR(o, 0.4, 51),
    ),
    "one cycle, linear": (
        lambda o: optim.OneCycleLR(o, [0.4, 0.1], 60, pct_start=0.4, anneal_strategy="linear", div_factor=10),
        lambda t, o: t.optim.lr_scheduler.OneCycleLR(
            o, [0.4, 0.1], 60, pct_start=0.4, anneal_strategy="linear", div_factor=10
        ),
    ),
    "one cycle in three phases": (
        lambda o: optim.OneCycleLR(o, 0.4, 51, three_phase=True, final_div_factor=100),
        lambda t, o: t.optim.lr_scheduler.OneCycleLR(o, 0.4, 51, three_phase=True, final_div_factor=100),
    ),
}


def rates(optimizer):
    return [group["lr"] for group in optimizer.groups]


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, on SequentialLR and on the order of calls
@pytest.mark.parametrize("name", CASES)
def test_fifty_steps_have_the_rates_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    ours, theirs = CASES[name]
    groups = [{"params": [torch.zeros(2, requires_grad=True)], "lr": rate} for rate in RATES]
    expected = torch.optim.SGD(groups, momentum=0.9)
    found = make_optimizer(momentum=0.9)
    our_schedule, their_schedule = ours(found), theirs(torch, expected)
    for step in range(51):
        wanted = [group["lr"] for group in expected.param_groups]
        np.testing.assert_allclose(rates(found), wanted, rtol=1e-10, atol=1e-17, err_msg=f"step {step}")
        wanted = [group["momentum"] for group in expected.param_groups]
        np.testing.assert_allclose([group["momentum"] for group in found.groups], wanted, rtol=1e-10)
        if step < 50:
            our_schedule.step()
            expected.step()
            their_schedule.step()


PLATEAUS = [
    {},
    {"patience": 2, "factor": 0.5},
    {"patience": 1, "cooldown": 3, "min_lr": [0.1, 0.001]},
    {"mode": "max", "patience": 1, "threshold": 0.05},
    {"mode": "max", "patience": 0, "threshold": 0.1, "threshold_mode": "abs"},
    {"patience": 0, "threshold": 0.1, "threshold_mode": "abs", "factor": 0.9},
]


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateaus_are_seen_as_in_pytorch(rng, options):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    groups = [{"params": [torch.zeros(2, requires_grad=True)], "lr": rate} for rate in RATES]
    expected = torch.optim.SGD(groups)
    found = make_optimizer()
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(expected, **options)
    ours = optim.ReduceLROnPlateau(found, **options)
    falling = np.exp(-np.arange(50) / 10) + rng.normal(size=50) * 0.1
    for step, measured in enumerate(falling):
        measured = math.nan if step == 20 else measured
        ours.step(measured)
        theirs.step(measured)
        np.testing.assert_allclose(rates(found), [g["lr"] for g in expected.param_groups], rtol=1e-12)


def test_a_plateau_behind_a_warmup_is_given_the_figures_after_it():
    optimizer = make_optimizer()
    schedule = optim.LinearWarmup(optimizer, 2, 0.5, then=optim.ReduceLROnPlateau(optimizer, patience=0))
    seen = [rates(optimizer)[0]]
    for _ in range(5):
        schedule.step(1.0)
        seen.append(rates(optimizer)[0])
    np.testing.assert_allclose(seen, [0.25, 0.375, 0.5, 0.5, 0.05, 0.005])


def test_one_cycle_moves_the_first_beta_of_adam():
    optimizer = make_optimizer(optim.Adam, betas=(0.9, 0.99))
    schedule = optim.OneCycleLR(optimizer, 0.1, 10)
    assert optimizer.groups[0]["betas"] == (0.95, 0.99)
    for _ in range(2):
        schedule.step()
    np.testing.assert_allclose(optimizer.groups[1]["betas"], (0.85, 0.99))
    np.testing.assert_allclose(rates(optimizer), [0.1, 0.1])


def test_one_cycle_may_be_stepped_after_each_of_its_steps_but_not_further():
    optimizer = make_optimizer()
    schedule = optim.OneCycleLR(optimizer, 0.1, 4)
    for _ in range(4):
        schedule.step()
    np.testing.assert_allclose(rates(optimizer), 0.1 / 25 / 1e4)
    with pytest.raises(ArgumentError, match="OneCycleLR: step 5 lies beyond the cycle of total_steps = 4"):
        schedule.step()


@pytest.mark.parametrize("name", [*CASES, "plateau", "warm-up, then plateau"])
def test_a_restored_schedule_goes_on_exactly(name):
    def make():
        optimizer = make_optimizer(momentum=0.9)
        if name == "plateau":
            return optimizer, optim.ReduceLROnPlateau(optimizer, patience=2)
        if name == "warm-up, then plateau":
            plateau = optim.ReduceLROnPlateau(optimizer, patience=2)
            return optimizer, optim.LinearWarmup(optimizer, 3, then=plateau)
        return optimizer, CASES[name][0](optimizer)

    def walk(optimizer, schedule, steps):
        seen = []
        for _ in range(steps):
            schedule.step(1.0) if "plateau" in name else schedule.step()
            seen.append([(group["lr"], group["momentum"]) for group in optimizer.groups])
        return seen

    optimizer, schedule = make()
    walk(optimizer, schedule, 10)
    state = json.loads(json.dumps(schedule.state_dict(), allow_nan=False))
    present = rates(optimizer)
    other_optimizer, other = make()
    other.load_state_dict(state)
    assert rates(other_optimizer) == present
    assert walk(other_optimizer, other, 20) == walk(optimizer, schedule, 20)


def test_an_unfit_state_is_refused_and_nothing_changes():
    optimizer = make_optimizer()
    schedule = optim.LinearWarmup(optimizer, 4, then=optim.ReduceLROnPlateau(optimizer))
    schedule.step()
    good, before = schedule.state_dict(), rates(optimizer)
    bad = [
        (
            optim.StepLR(make_optimizer(), 3).state_dict(),
            "LinearWarmup: the state should hold base_rates, count",
        ),
        ({**good, "base_rates": [1.0]}, "LinearWarmup: base_rates should be 2 numbers"),
        ({**good, "base_rates": ["a", "b"]}, "base_rates should be 2 numbers"),
        ({**good, "count": -1}, "count should be a number of steps, not -1"),
        ({**good, "count": 2.5}, "count should be a number of steps, not 2.5"),
        ({**good, "then": None}, "differ in whether another one follows"),
        ({**good, "then": {**good["then"], "rates": None}}, "ReduceLROnPlateau: rates should be 2 numbers"),
        ({**good, "then": {**good["then"], "best": "low"}}, "ReduceLROnPlateau: best should be a number"),
        ({**good, "then": {**good["then"], "bad_steps": None}}, "bad_steps should be a number of steps"),
        ("nothing", "the state should hold"),
    ]
    for state, message in bad:
        with pytest.raises(CheckpointError, match=message):
            schedule.load_state_dict(state)
    assert schedule.state_dict() == good
    assert rates(optimizer) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: optim.StepLR(o, 0), "StepLR: step_size must be an integer of at least 1, not 0"),
        (lambda o: optim.CosineAnnealingLR(o, 2.5), "CosineAnnealingLR: T_max must be an integer"),
        (lambda o: optim.LinearWarmup(o, -1), "LinearWarmup: steps must be an integer of at least 1, not -1"),
        (
            lambda o: optim.LinearWarmup(o, 3, then=optim.StepLR(make_optimizer(), 3)),
            "LinearWarmup: then is the schedule of another optimiser",
        ),
        (lambda o: optim.LambdaLR(o, [abs]), "LambdaLR: lr_lambda has 1 functions but the optimiser has 2"),
        (lambda o: optim.OneCycleLR(o, [1.0], 9), "OneCycleLR: max_lr has 1 values but the optimiser has 2"),
        (lambda o: optim.OneCycleLR(o, 1.0, 9, pct_start=2), "pct_start must lie between 0 and 1, not be 2"),
        (lambda o: optim.OneCycleLR(o, 1.0, 9, anneal_strategy="x"), "must be 'cos' or 'linear', not 'x'"),
        (lambda o: optim.ReduceLROnPlateau(o, "least"), "mode must be 'min' or 'max', not 'least'"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1), "factor must be at least 0 and less than 1, not 1"),
        (lambda o: optim.ReduceLROnPlateau(o, threshold_mode="x"), "must be 'rel' or 'abs', not 'x'"),
        (lambda o: optim.ReduceLROnPlateau(o, min_lr=[1]), "min_lr has 1 values but the optimiser has 2"),
    ],
)
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises(ArgumentError, match=message):
        make(make_optimizer())


def test_one_cycle_needs_a_momentum_to_cycle():
    optimizer = make_optimizer(optim.Adagrad)
    with pytest.raises(ArgumentError, match="OneCycleLR: Adagrad has no momentum to cycle"):
        optim.OneCycleLR(optimizer, 0.1, 10)
    optim.OneCycleLR(optimizer, 0.1, 10, cycle_momentum=False)


def test_groups_added_later_are_noticed():
    optimizer = make_optimizer()
    schedule = optim.StepLR(optimizer, 3)
    optimizer.add_parameter_group({"params": Parameter(np.ones(1))})
    with pytest.raises(
        ArgumentError, match="had 2 parameter groups when the schedule was made and has 3 now"
    ):
        schedule.step()
