"""The verdicts and the arms as tables for a terminal."""

from typing import Any

from rich.console import Console
from rich.markup import escape

from cnnjax.config.config import Config, values_of
from cnnjax.config.words import count
from cnnjax.networks.cost import Cost
from cnnjax.report import scope, text, variance
from cnnjax.report.console import STYLES, print_table, print_text, start_table, tell_apart
from cnnjax.study import metrics
from cnnjax.study.claims import Study, name_arms
from cnnjax.study.judge import Judgement, describe_across, verdict_of
from cnnjax.study.plan import Plan
from cnnjax.study.timing import Timing


def print_judgement(judgement: Judgement, console: Console) -> None:
    """Prints what the report's page says, in short."""
    table = start_table(judgement.study.question, "comparison: a − b")
    table.add_column("verdict")
    for name in ("a − b", "interval", "level", "p adj."):
        table.add_column(name, justify="right")
    for claim in judgement.study.claims:
        own = [row for row in judgement.verdicts if row["claim"] == claim.id]
        verdict = verdict_of(claim, own) if claim.parts else ""
        style = STYLES.get(verdict, "")
        shown = f"[bold {style}]{verdict}[/bold {style}]" if style else verdict
        table.add_row(f"[bold]{escape(claim.id)}[/bold]", shown)
        if over := describe_across(claim, own):
            table.add_row(f"  {escape(over)}", "")
        for row in judgement.verdicts:
            if row["claim"] != claim.id:
                continue
            style = STYLES[row["verdict"]]
            table.add_row(
                _name_comparison(row, judgement.study),
                f"[{style}]{row['verdict']}[/{style}]",
                text.score(row["difference"], row["metric"], signed=not text.is_single(row)),
                escape(text.describe_bounds(row)),
                text.level(row),
                text.probability(row["p_adjusted"]),
            )  # fmt: skip
    print_table(table, console)
    metric = judgement.study.metric
    label = metrics.find(metric).label
    keys, cells = tell_apart({arm.name: arm.overrides for arm in judgement.arms})
    table = start_table(f"arms: {label}, {scope.describe_seeds(judgement.arms)} each", *keys)
    for name in (f"mean{text.unit(metric)}", "95% interval", "failed", "parameters", "MACs"):
        table.add_column(name, justify="right")
    for arm in scope.order_arms(judgement.arms):
        table.add_row(
            *cells[arm.name], text.score(arm.mean, metric),
            escape(text.interval(arm.interval, metric, signed=False)), str(arm.num_failed),
            f"{arm.cost['parameters']:,}", f"{arm.cost['macs']:,}",
        )  # fmt: skip
    print_table(table, console, len(keys))
    if shares := variance.show_shares(judgement):
        table = start_table("how arms vary from seed to seed", *keys)
        for name in ("deviation", "share of variance"):
            table.add_column(name, justify="right")
        for name, row in shares.items():
            table.add_row(*cells[name], *map(escape, row))
        print_table(table, console, len(keys))
        print_text(variance.describe_shares(judgement), console)
    for line in scope.list_images(judgement):
        print_text(line, console)
    for name, arms in scope.group_by_dataset(judgement).items():
        if draws := scope.describe_draws(arms):
            print_text(f"{name}: {draws}", console)
    for line in list_failed(judgement):
        print_text(line, console)
    for line in judgement.mixed:
        print_text(f"note: unlike runs are compared (--mix): {line}", console)
    for agreement in judgement.agreements:
        print_text(scope.describe_agreement(agreement), console)


def list_failed(judgement: Judgement) -> list[str]:
    """What is lacking, a note on each arm of which runs failed, and on each metric of no run."""
    failed = [
        f"note: {arm.name or 'all'}: {said}, left out of its mean"
        for arm in judgement.arms
        if (said := scope.describe_collapse(arm))
    ]
    lacking = [f"warning: {line}" for line in judgement.lacking]
    return [*lacking, *failed, *(f"note: {line}" for line in scope.list_silent(judgement))]


def _name_comparison(row: dict[str, Any], study: Study) -> str:
    name = f"{row['a']} − {row['b']}"
    if row["threshold"] is not None:
        border = text.score(row["threshold"], row["metric"]) + text.unit(
            row["metric"], text.is_contrast(row["a"]) or not text.is_value(row)
        )
        name = row["a"] if text.is_value(row) else name
        name += f" ({'more' if row['relation'] == '>' else 'less'} than {border}?)"
    if row["about"]:
        name = f"{row['about']}: {name}"
    name = scope.name_dataset(row, study.datasets) + name
    if row["metric"] == study.metric:
        return escape(name)
    return escape(f"{name} ({metrics.find(row['metric']).label}{text.unit(row['metric'], True)})")


def print_cost(config: Config, cost: Cost, console: Console) -> None:
    """Prints what a network costs for one image, layer by layer."""
    title = f"{config.model} on {config.dataset}: {count(config.batch_size, 'image')} a step"
    table = start_table(title, "layer")
    for name in ("output", "parameters", "MACs", "activations", "receptive field"):
        table.add_column(name, justify="right")
    for layer in cost.layers:
        table.add_row(
            escape(layer.name), text.shape(layer.output_shape), f"{layer.parameters:,}",
            f"{layer.macs:,}", text.size(layer.activation_bytes), text.field(layer.receptive_field),
        )  # fmt: skip
    table.add_section()
    table.add_row(
        "in all", "", f"{cost.parameters:,}", f"{cost.macs:,}", text.size(cost.activation_bytes), ""
    )
    print_table(table, console)
    print_text(
        f"{text.size(config.batch_size * cost.activation_bytes)} of activations for a batch"
        f" ({config.dtype}); parameters of norms and of a head's mean count in the last"
        " line alone",
        console,
    )


def print_plan(
    study: Study, plan: Plan, num_seeds: int, console: Console, timing: Timing | None = None
) -> None:
    """Prints what would run: arms with their cost, lanes, memory, and minutes where known."""
    keys, cells = tell_apart(name_arms(study))
    table = start_table(study.question, *keys)
    # Those of epochs are in no flag where arms differ in them.
    timed = len(set(plan.steps.values())) > 1 and "steps" not in keys
    columns = ("parameters", "MACs", "activations", "receptive field", "last map")
    for name in ("steps", *columns) if timed else columns:
        table.add_column(name, justify="right")
    for name, cost in plan.arms.items():
        table.add_row(
            *cells[name], *([f"{plan.steps[name]:,}"] if timed else []),
            f"{cost.parameters:,}", f"{cost.macs:,}",
            text.size(cost.activation_bytes), text.field(cost.receptive_field),
            text.shape(cost.map_shape),
        )  # fmt: skip
    print_table(table, console, len(keys))
    tuning = f", {plan.num_tuning_lanes:,} of tuning" if plan.num_tuning_lanes else ""
    if plan.num_fresh_lanes:
        tuning += f", {plan.num_fresh_lanes:,} of the best one and the baseline"
    fewer = f" at most: {study.looks[0].seeds} seeds at first" if study.looks else ""
    print_text(
        f"{count(plan.num_groups, 'group (compiled program)', 'groups (compiled programs)')},"
        f" {count(plan.num_lanes, 'lane')}"
        f" ({count(len(plan.arms), 'arm')} x {count(num_seeds, 'seed')}{tuning}){fewer}\n"
        f"memory: {plan.state_bytes / 2**20:,.1f} MiB of parameters and optimiser state at most",
        console,
    )
    if timing is not None:
        print_text(describe_timing(timing, plan.num_groups), console)
        if len(timing.by_group) > 1:
            print_times(plan, timing, console)


def print_times(plan: Plan, timing: Timing, console: Console) -> None:
    """Prints how long each group would train, and for how many hours of one device."""
    values = {str(place): values_of(own.structure) for place, own in enumerate(plan.groups)}
    keys, cells = tell_apart(values)
    by = "these records" if timing.num_records else "a stretch of each"
    table = start_table(f"groups, by {by}", *keys)
    for name in ("lanes", "minutes", "device-hours"):
        table.add_column(name, justify="right")
    for name, own, seconds in zip(values, plan.groups, timing.by_group, strict=True):
        hours = f"{timing.num_devices * seconds / 3600:,.3f}"
        table.add_row(*cells[name], f"{own.num_lanes:,}", f"{seconds / 60:,.1f}", hours)
    print_table(table, console, len(keys))


def describe_timing(timing: Timing, num_groups: int) -> str:
    """How long a plan would take, and how that is known."""
    other = num_groups - timing.num_alike
    nearest = f"; {other} of {count(num_groups, 'group')} by their MACs from the nearest of those"
    records = f"{count(timing.num_records, 'record')} of this machine took"
    taken = records if timing.num_records else "a stretch of each program took just now"
    return (
        f"time: {timing.training_seconds / 60:,.1f} minutes of training on"
        f" {count(timing.num_devices, 'device')}"
        f" ({timing.num_devices * timing.training_seconds / 3600:,.3f} device-hours), and beside it"
        f" {timing.compile_seconds / 60:,.1f} of compiling, several programs at once; as {taken}"
        f"{nearest if other else ''} (nothing reused)"
    )
