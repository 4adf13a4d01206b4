"""The verdicts and the arms as tables for a terminal."""

from typing import Any

from rich.console import Console
from rich.markup import escape

from cnnjax import metrics
from cnnjax.config import Config
from cnnjax.cost import Cost
from cnnjax.judge import Judgement
from cnnjax.plan import Plan
from cnnjax.report import console as console_lib
from cnnjax.report import figures, text
from cnnjax.study import Study


def print_judgement(judgement: Judgement, console: Console) -> None:
    """Prints what the report's page says, in short."""
    table = console_lib.start_table(judgement.study.question, "comparison: a − b")
    for name in ("a − b", "95% interval", "p adj."):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for claim in judgement.study.claims:
        table.add_row(f"[bold]{escape(claim.id)}[/bold]")
        for row in judgement.verdicts:
            if row["claim"] != claim.id:
                continue
            style = console_lib.STYLES[row["verdict"]]
            table.add_row(
                _name_comparison(row, judgement.study.metric),
                text.score(row["difference"], row["metric"], signed=True),
                escape(text.interval(row["interval"], row["metric"])),
                text.probability(row["p_adjusted"]),
                f"[{style}]{row['verdict']}[/{style}]",
            )  # fmt: skip
    console_lib.print_table(table, console)
    size = judgement.arms[0].records[0].scores["num_test_examples"]
    seeds = len(judgement.arms[0].records)
    metric = judgement.study.metric
    label = metrics.find(metric).label.capitalize()
    table = console_lib.start_table(f"{label} on {size:,} test images, {seeds} seeds an arm", "arm")
    for name in (f"mean{text.unit(metric)}", "95% interval", "failed", "parameters", "MACs"):
        table.add_column(name, justify="right")
    for arm in judgement.arms:
        table.add_row(
            escape(arm.name), text.score(arm.mean, metric),
            escape(text.interval(arm.interval, metric, signed=False)), str(arm.num_failed),
            f"{arm.cost['parameters']:,}", f"{arm.cost['macs']:,}",
        )  # fmt: skip
    console_lib.print_table(table, console)
    for line in judgement.mixed:
        console.print(escape(f"note: runs of unlike CPUs are compared (--mix=cpu): {line}"))
    for agreement in judgement.agreements:
        console.print(escape(figures.describe_agreement(agreement)))


def _name_comparison(row: dict[str, Any], metric: str) -> str:
    name = f"{row['a']} − {row['b']}"
    if row["metric"] == metric:
        return escape(name)
    return escape(f"{name} ({metrics.find(row['metric']).label}{text.unit(row['metric'], True)})")


def print_cost(config: Config, cost: Cost, console: Console) -> None:
    """Prints what a network costs for one image, layer by layer."""
    title = f"{config.model} on {config.dataset}: {config.batch_size} images a step"
    table = console_lib.start_table(title, "layer")
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
    console_lib.print_table(table, console)
    console.print(
        f"{text.size(config.batch_size * cost.activation_bytes)} of activations for a batch"
        f" ({config.dtype}); norms' parameters count in the last line alone"
    )


def print_plan(study: Study, plan: Plan, num_seeds: int, console: Console) -> None:
    """Prints what would run: arms with their cost, lanes, memory, time, detectable effect."""
    table = console_lib.start_table(study.question, "arm")
    for name in ("parameters", "MACs", "activations", "receptive field", "last map"):
        table.add_column(name, justify="right")
    for name, cost in plan.arms.items():
        table.add_row(
            escape(name), f"{cost.parameters:,}", f"{cost.macs:,}",
            text.size(cost.activation_bytes), text.field(cost.receptive_field),
            text.shape(cost.map_shape),
        )  # fmt: skip
    console_lib.print_table(table, console)
    tuning = f", {plan.num_tuning_lanes} of tuning" if plan.num_tuning_lanes else ""
    seconds = 2 * plan.training_macs / 2e10 + 4 * plan.num_groups
    console.print(
        f"{plan.num_groups} groups (compiled programs), {plan.num_lanes} lanes"
        f" ({len(plan.arms)} arms x {num_seeds} seeds{tuning})\n"
        f"memory: {plan.state_bytes / 2**20:,.1f} MiB of parameters and optimiser state at most\n"
        f"time: {seconds:,.0f} s of one CPU core, very roughly"
        " (20 GFLOP/s, 4 s a compilation; nothing reused)"
    )
