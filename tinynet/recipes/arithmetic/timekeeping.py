"""Agents that must be at their goal at a given time: short times learnt, long ones asked for.

Source: Trask et al., "Neural arithmetic logic units", 2018, section 4.5. The policies follow the
gradient of R. Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement
learning", 1992, with the learnt value of a state as the baseline.
"""

from dataclasses import dataclass

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import MissingExtraError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.recipes.arithmetic.descent import descend, on_device
from tinynet.recipes.arithmetic.grid import MOVES, SIZE, GridWorld
from tinynet.recipes.arithmetic.tables import markdown_table, write_markdown
from tinynet.recipes.base import Figure, Settings, Study

__all__ = ["CLOCKS", "TIMEKEEPING", "Agent", "Episodes", "measure_rewards", "play", "policy_loss", "train"]

STEPS_PER_EPOCH = 100
TRAINED_TIMES = (5, 12)
TESTED_TIMES = (5, 8, 10, 12, 13, 14, 15, 17, 20, 25, 30, 40, 60, 80, 100)
TIMES_SHOWN = (5, 8, 12, 15, 20, 30, 40, 60, 100)
TEST_EPISODES = 500
SEEDS = 3
HIDDEN = 64
LARGEST_NORM = 1.0
SHARE_OF_VALUE_LOSS = 0.5
SHARE_OF_ENTROPY = 0.02  # at first; it falls to nothing, so that chance ends with the search


class MemoryClock(nn.Module):
    """An LSTM that is told the time to arrive at once, at the start, and keeps time by itself."""

    size = 8
    rate = 1

    def __init__(self):
        self.lstm = nn.LSTM(1, self.size)

    def forward(self, times, steps):
        x = np.zeros((len(times), steps, 1), np.float32)
        x[:, 0, 0] = times / TRAINED_TIMES[1]
        return self.lstm(on_device(x))[0]


class CalculatingClock(nn.Module):
    """One number made of the time to arrive and the time that has passed, by a NAC or a dense layer."""

    size = 1
    # What is made of a number can be scaled later on, so that only quick weights reach −1, 0 and 1.
    rate = 10

    def __init__(self, layer):
        self.layer = layer(2, self.size)

    def forward(self, times, steps):
        both = np.broadcast_arrays(times[:, np.newaxis], np.arange(steps))
        return self.layer(on_device(np.stack(both, axis=-1).astype(np.float32)))


CLOCKS = {
    "LSTM": MemoryClock,
    "Linear": lambda: CalculatingClock(nn.Linear),
    "NAC": lambda: CalculatingClock(nn.NAC),
}


class Agent(nn.Module):
    """What to do, by the way to the goal and a clock.

    Args:
        clock: a name in `CLOCKS`.
    """

    def __init__(self, clock):
        self.clock = CLOCKS[clock]()
        self.way = nn.Embedding((2 * SIZE - 1) ** 2, HIDDEN)
        self.time = nn.Linear(self.clock.size, HIDDEN)
        self.outputs = nn.Linear(HIDDEN, len(MOVES) + 1)

    def forward(self, ways, clock):
        """Ways (...) and readings of the clock (..., size) → logits of `MOVES` (..., 5) and values (...)."""
        outputs = self.outputs(F.relu(self.way(on_device(ways)) + self.time(clock)))
        return outputs[..., :-1], outputs[..., -1]

    def optimizer(self, rate):
        """Adam, with the clock's own rate for the clock."""
        others = [*self.way.parameters(), *self.time.parameters(), *self.outputs.parameters()]
        clock = {"params": list(self.clock.parameters()), "lr": rate * self.clock.rate}
        return optim.Adam([clock, {"params": others}], lr=rate)


@dataclass(frozen=True)
class Episodes:
    """What happened in N episodes of up to T steps.

    Attributes:
        times: (N,), when to arrive.
        ways, actions: (N, T).
        running: (N, T), whether the episode still went on; the other fields mean nothing where not.
        rewards: (N,).
    """

    times: np.ndarray
    ways: np.ndarray
    actions: np.ndarray
    running: np.ndarray
    rewards: np.ndarray


def play(agent, times, generator, greedy=False):
    """Plays an episode for each of the times.

    Args:
        agent: an `Agent`.
        times: integers (N,).
        generator: a `numpy.random.Generator`, for the grids and the actions.
        greedy: whether to take the likeliest action, rather than one by its probability.

    Returns:
        `Episodes`.
    """
    world = GridWorld(times, generator)
    steps = int(world.times.max())
    ways, actions, running = [], [], []
    rewards = np.zeros(len(times), np.float32)
    with tn.no_grad():
        clock = agent.clock(world.times, steps)
        for step in range(steps):
            ways.append(world.ways)
            running.append(world.running)
            logits = agent(ways[-1], clock[:, step])[0].numpy()
            # The largest of logits with Gumbel noise is an action by its probability.
            noise = 0 if greedy else generator.gumbel(size=logits.shape)
            actions.append((logits + noise).argmax(axis=1))
            rewards += world.step(actions[-1])
    columns = (np.stack(parts, axis=1) for parts in (ways, actions, running))
    return Episodes(world.times, *columns, rewards)


def policy_loss(agent, episodes, entropy):
    """The loss whose gradient is that of the expected reward, with the losses of the values and the entropy.

    Args:
        agent: the `Agent` that played them.
        episodes: `Episodes`.
        entropy: how much of the entropy of the policy to add to the reward.
    """
    logits, values = agent(episodes.ways, agent.clock(episodes.times, episodes.ways.shape[1]))
    log_probabilities = F.log_softmax(logits)
    chosen = F.gather(log_probabilities, on_device(episodes.actions[..., np.newaxis]), -1)[..., 0]
    steps = float(episodes.running.sum())
    running = on_device(episodes.running.astype(np.float32))
    rewards = on_device(np.broadcast_to(episodes.rewards[:, np.newaxis], running.shape))
    advantages = (rewards - values.detach()) * running
    entropies = -(F.exp(log_probabilities) * log_probabilities).sum(axis=-1)
    total = (
        SHARE_OF_VALUE_LOSS * F.square(values - rewards) * running
        - chosen * advantages
        - entropy * entropies * running
    )
    return total.sum() / steps


def train(agent, settings, generator):
    """Trains on times from 5 to 12; `batch_size` episodes are played for each step of the optimiser."""
    optimizer = agent.optimizer(settings["learning_rate"])
    steps = settings["epochs"] * STEPS_PER_EPOCH
    low, high = TRAINED_TIMES

    def draw_loss(step):
        times = generator.integers(low, high + 1, settings["batch_size"])
        episodes = play(agent, times, generator)
        return policy_loss(agent, episodes, SHARE_OF_ENTROPY * (1 - step / steps))

    descend(optimizer, steps, draw_loss, LARGEST_NORM)


def measure_rewards(agent, generator):
    """The mean reward of the likeliest actions for each of `TESTED_TIMES`: an array."""
    return np.array(
        [
            play(agent, np.full(TEST_EPISODES, time), generator, greedy=True).rewards.mean()
            for time in TESTED_TIMES
        ]
    )


def _conduct(work):
    """Trains agents with each clock from several seeds and sends them out with longer and longer times."""
    rewards = {}
    for clock in CLOCKS:
        rows = []
        for run in range(SEEDS):
            tn.manual_seed(work.settings["seed"] + run)
            agent = Agent(clock)
            train(agent, work.settings, np.random.default_rng(work.settings["seed"] + run))
            rows.append(measure_rewards(agent, np.random.default_rng(run)))
            first, last = rows[-1][0], _last_time(rows[-1])
            work.say(
                f"{clock}, seed {run}: reward {first:.2f} at time {TESTED_TIMES[0]}, above 0.9 up to {last}"
            )
        rewards[clock] = np.array(rows)
    _write_table(work.folder / "gridworld.md", rewards)
    try:
        _draw(work.folder / "gridworld.png", rewards)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")
    return _results(rewards)


def _last_time(rewards):
    """The longest time up to which nine of ten episodes are rewarded, of those beyond the trained ones.

    The last of the trained times if it fails already at the first one beyond.
    """
    beyond = TESTED_TIMES.index(TRAINED_TIMES[1]) + 1
    failed = np.flatnonzero(rewards[beyond:] < 0.9)
    return TESTED_TIMES[beyond + failed[0] - 1] if len(failed) else TESTED_TIMES[-1]


def _results(rewards):
    results = {}
    trained = np.array(TESTED_TIMES) <= TRAINED_TIMES[1]
    for clock, rows in rewards.items():
        results[f"{clock.lower()}_reward_inside"] = float(rows[:, trained].mean())
        results[f"{clock.lower()}_reward_outside"] = float(rows[:, ~trained].mean())
        results[f"{clock.lower()}_last_time"] = float(np.median([_last_time(row) for row in rows]))
    results["nac_gain_over_lstm_outside"] = results["nac_reward_outside"] - results["lstm_reward_outside"]
    return results


def _write_table(path, rewards):
    rows = [(clock, *(f"{reward:.2f}" for reward in rows.mean(axis=0))) for clock, rows in rewards.items()]
    write_markdown(
        path,
        "At the goal on time",
        f"The share of episodes in which the agent is at its goal exactly at the time it was told; the mean "
        f"of {SEEDS} seeds. Times from {TRAINED_TIMES[0]} to {TRAINED_TIMES[1]} were trained.",
        markdown_table(("clock", *TESTED_TIMES), rows),
    )


def _draw(path, rewards):
    """The reward over the time, the mean and each seed."""
    figure = new_figure(8, 4)
    axes = figure.subplots()
    axes.axvspan(*TRAINED_TIMES, color="0.92", label="trained")
    for index, (clock, rows) in enumerate(rewards.items()):
        axes.plot(TESTED_TIMES, rows.mean(axis=0), marker="o", color=f"C{index}", label=clock)
        for row in rows:
            axes.plot(TESTED_TIMES, row, color=f"C{index}", alpha=0.25, linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks(TIMES_SHOWN, TIMES_SHOWN)
    axes.minorticks_off()
    axes.set(xlabel="time to arrive, in steps", ylabel="mean reward", title="At the goal on time")
    axes.legend()
    return save_figure(figure, path)


TIMEKEEPING = Study(
    name="nalu-gridworld",
    title="Agents on a grid that must arrive on time, with an LSTM, a dense layer or a NAC as their clock",
    source="Trask et al., Neural arithmetic logic units, section 4.5",
    settings={"grid": Settings(epochs=9, batch_size=256, learning_rate=3e-3)},
    figures=(Figure("nac_gain_over_lstm_outside", 0.1, "goal of this project", goal="at least"),),
    conduct=_conduct,
)
