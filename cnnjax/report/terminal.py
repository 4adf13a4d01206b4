"""The verdicts and the arms as tables for a terminal."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnnjax import stats
from cnnjax.config import Config
from cnnjax.cost import Cost
from cnnjax.judge import Judgement
from cnnjax.plan import Plan
from cnnjax.report import text
from cnnjax.study import Study

STYLES = {"supported": "green", "refuted": "red", "equivalent": "blue", "inconclusive": "yellow"}


def print_judgement(judgement: Judgement, console: Console) -> None:
    """Prints what the report's page says, in short."""
    table = _start_table(judgement.study.question, "comparison: a − b")
    for name in ("points", "95% interval", "p adj."):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for claim in judgement.study.claims:
        table.add_row(f"[bold]{claim.id}[/bold]")
        for row in judgement.verdicts:
            if row["claim"] != claim.id:
                continue
            style = STYLES[row["verdict"]]
            table.add_row(
                f"{row['a']} − {row['b']}", text.points(row["difference"]),
                escape(text.interval(row["interval"])), text.probability(row["p_adjusted"]),
                f"[{style}]{row['verdict']}[/{style}]",
            )  # fmt: skip
    console.print(table)
    size = judgement.arms[0].records[0].scores["num_test_examples"]
    seeds = len(judgement.arms[0].records)
    table = _start_table(f"Test accuracy on {size:,} images, {seeds} seeds an arm", "arm")
    for name in ("accuracy %", "95% interval", "diverged", "parameters", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm in judgement.arms:
        table.add_row(
            arm.name, text.percent(arm.mean), escape(text.interval(arm.interval, signed=False)),
            str(arm.num_diverged), f"{arm.cost['parameters']:,}", f"{arm.cost['macs']:,}",
        )  # fmt: skip
    console.print(table)


def _start_table(title: str, first_column: str) -> Table:
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first_column, overflow="fold")
    return table


def print_cost(config: Config, cost: Cost, console: Console) -> None:
    """Prints what a network costs for one image, layer by layer."""
    title = f"{config.model} on {config.dataset}: {config.batch_size} images a step"
    table = _start_table(title, "layer")
    for name in ("output", "parameters", "MACs", "activations", "receptive field"):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in cost.layers:
        table.add_row(
            layer.name, text.shape(layer.output_shape), f"{layer.parameters:,}",
            f"{layer.macs:,}", text.size(layer.activation_bytes), str(layer.receptive_field),
        )  # fmt: skip
    table.add_section()
    table.add_row(
        "in all", "", f"{cost.parameters:,}", f"{cost.macs:,}", text.size(cost.activation_bytes), ""
    )
    console.print(table)
    console.print(
        f"{text.size(config.batch_size * cost.activation_bytes)} of activations for a batch"
        f" ({config.dtype}); norms' parameters count in the last line alone"
    )


def print_plan(study: Study, plan: Plan, num_seeds: int, console: Console) -> None:
    """Prints what would run: arms with their cost, lanes, memory, time, detectable effect."""
    table = _start_table(study.question, "arm")
    for name in ("parameters", "MACs", "activations", "receptive field", "last map"):
        table.add_column(name, justify="right")
    for name, cost in plan.arms.items():
        table.add_row(
            name, f"{cost.parameters:,}", f"{cost.macs:,}", text.size(cost.activation_bytes),
            str(cost.receptive_field), text.shape(cost.map_shape),
        )  # fmt: skip
    console.print(table)
    seconds = 2 * plan.training_macs / 2e10 + 4 * plan.num_groups
    console.print(
        f"{plan.num_groups} groups (compiled programs), {plan.num_lanes} lanes"
        f" ({len(plan.arms)} arms x {num_seeds} seeds)\n"
        f"memory: {plan.state_bytes / 2**20:,.1f} MiB of parameters and optimiser state at most\n"
        f"time: {seconds:,.0f} s of one CPU core, very roughly"
        " (20 GFLOP/s, 4 s a compilation; nothing reused)"
    )
    for claim in study.claims:
        effect = stats.detectable_effect(num_seeds, len(claim.comparisons))
        console.print(
            f"smallest detectable effect, {claim.id}: {effect:.2f} standard deviations of the"
            f" paired differences (80% power, {len(claim.comparisons)} comparisons)"
        )
