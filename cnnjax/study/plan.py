"""What a study would run and what it would cost, before anything is trained: from shapes alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import NamedTuple

from cnnjax.config import register
from cnnjax.config.config import KNOBS, Config, request_of, structure_of
from cnnjax.config.datasets import Request
from cnnjax.config.errors import ConfigError
from cnnjax.config.training import Training
from cnnjax.networks import notes
from cnnjax.networks.cost import Cost, measure
from cnnjax.study.arms import make_configs, make_corners, make_trials
from cnnjax.study.claims import Study, name_arm
from cnnjax.study.timing import Group

# Knobs that no network reads: arms that differ in these alone are measured once.
TRAINING = tuple(field.name for field in fields(Training))


class Plan(NamedTuple):
    """What a study would run."""

    groups: tuple[Group, ...]
    num_lanes: int
    num_tuning_lanes: int  # of them, before the arms' own seeds
    num_fresh_lanes: int  # of them, behind those: of the baseline and the arm that was best
    arms: dict[str, Cost]
    steps: dict[str, int]  # of each arm
    state_bytes: int  # parameters and optimiser state of all lanes of the largest group
    weight_bytes: int = 0  # parameters of all lanes, which --keep leaves on disk

    @property
    def training_macs(self) -> float:
        """Of all lanes, forward and backward: three times the forward pass."""
        return sum(3.0 * group.macs * group.num_examples for group in self.groups)

    @property
    def num_groups(self) -> int:
        """Programs that would be compiled."""
        return len(self.groups)


Infos = Mapping[Request, tuple[tuple[int, int, int], int]]  # image shape and classes by data


def make_plan(study: Study, base: Config, num_seeds: int, infos: Infos) -> Plan:
    """What would run, from shapes alone. Raises ConfigError where an arm's network cannot be.

    Lanes are counted and not made: an arm's seeds share its program. Of an arm that is yet to be
    chosen it is not known which: then it is taken to be the one of most MACs.
    """
    configs = make_configs(study, base)
    structures = {name: structure_of(arm) for name, arm in configs.items()}
    trials = make_trials(study, base)
    num_tuning_seeds = len(study.tuning.seeds) if study.tuning else 0
    counts, steps = Counter[Config](), Counter[Config]()

    def add(config: Config, seeds: int) -> None:
        counts[structure_of(config)] += seeds
        steps[structure_of(config)] += seeds * config.last_step

    for own, seeds in ((configs.values(), num_seeds), (trials, num_tuning_seeds)):
        for config in own:
            add(config, seeds)
    costs = {own: _measure(own, base, infos) for own in counts}
    # What a search may come upon must be able to be, too.
    for corner in {network_of(own): own for own in make_corners(study, base)}.values():
        _measure(corner, base, infos)
    if study.choosing:
        baseline = name_arm(study.choosing.baseline)
        for name in (baseline, max(structures, key=lambda own: costs[structures[own]].macs)):
            add(configs[name], num_seeds)
    groups = tuple(
        Group(own, costs[own].macs, number, steps[own]) for own, number in counts.items()
    )
    return Plan(
        groups=groups,
        num_lanes=sum(counts.values()),
        num_tuning_lanes=len(trials) * num_tuning_seeds,
        num_fresh_lanes=2 * num_seeds if study.choosing else 0,
        arms={name: costs[structure] for name, structure in structures.items()},
        steps={name: config.last_step for name, config in configs.items()},
        state_bytes=max(
            4 * costs[own].parameters * count_copies(own) * number for own, number in counts.items()
        ),
        weight_bytes=sum(4 * costs[own].parameters * number for own, number in counts.items()),
    )


def _measure(config: Config, base: Config, infos: Infos) -> Cost:
    """What a network costs. Raises ConfigError where it cannot be, in what it is not the base."""
    network = network_of(config)
    try:
        return measure(network, *infos[request_of(config)])
    except ConfigError as error:
        usual = vars(network_of(base))
        own = {name: value for name, value in vars(network).items() if value != usual[name]}
        raise ConfigError(f"{name_arm(own)}: {error}" if own else str(error)) from None


def list_notes(configs: Sequence[Config], infos: Infos) -> tuple[str, ...]:
    """What a person should know of networks on images of such shapes, once each."""
    asked = {network_of(config): infos[request_of(config)] for config in configs}
    found = [note for config, info in asked.items() for note in notes.list_notes(config, *info)]
    return tuple(dict.fromkeys(found))


def network_of(config: Config) -> Config:
    """The config with all at its default that no network reads: equal for runs of one network."""
    return replace(config, **{name: KNOBS[name].default for name in TRAINING})


def count_copies(config: Config) -> int:
    """Arrays of the size of the parameters: themselves, gradients and averages."""
    averages = register.read_trait("optimizer", config.optimizer, "averages", 1)
    return 2 + averages + (config.ema_decay > 0) + (config.lookahead > 0)
