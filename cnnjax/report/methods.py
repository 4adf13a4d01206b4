"""The methods of a study in plain sentences, from its own data: as a paper would state them."""

from collections.abc import Mapping, Sequence

import numpy as np

from cnnjax.config import datasets
from cnnjax.config.knobs import format_value
from cnnjax.config.words import count, join
from cnnjax.records import origin
from cnnjax.records.packed import unpack_values
from cnnjax.report import chosen, scope, text
from cnnjax.study import decision, metrics, reach, statistics
from cnnjax.study.claims import VALIDATION, varied_knobs
from cnnjax.study.judge import Judgement
from cnnjax.study.summary import Arm

PARTS = {  # of what a seed draws, by the knob that may fix it
    "seed_init": "the initial weights",
    "seed_order": "the order of the batches",
    "seed_draw": "the training images",
}
MARGIN = "Taken not to matter is a difference of less than"
BEYOND = "Where a statement names a number that is to be passed, that decides in place of a margin."


def describe(judgement: Judgement) -> dict[str, str]:
    """A paragraph each on the data, training, comparison and machinery, by its heading."""
    return {
        "Data": " ".join(_describe_data(judgement)),
        "Training": " ".join(_describe_training(judgement)),
        "Comparison": " ".join(_describe_test(judgement)),
        "Decision": " ".join(_describe_decision(judgement)),
        "Software and hardware": " ".join(_describe_machine(judgement)),
    }


def _describe_data(judgement: Judgement) -> list[str]:
    said = []
    for name, arms in scope.group_by_dataset(judgement).items():
        scores = [record.scores for arm in arms for record in arm.records]
        split = next(line for line in scope.list_images(judgement) if line.startswith(f"{name}: "))
        packed = [own for one in scores if (own := one.get("by_image"))]
        checked = next((own[VALIDATION] for own in packed if VALIDATION in own), None)
        between = f", {len(unpack_values(checked)):,} validation images" if checked else ""
        said.append(f"{name} ({datasets.describe(name)['source']}): {split[len(name) + 2 :]}")
        said[-1] += f"{between}{_describe_classes(arms)}."
        if draws := scope.describe_draws(arms):
            drawn = any(own.get("drawn_by_seed") for own in scores)
            same = " Draws keep the shares of the classes." if drawn else ""
            said.append(draws + same)
        said += _describe_clusters(packed)
    if judgement.study.metric == VALIDATION:
        return [*said, "Arms are compared on the validation images, on which choices are made."]
    return [
        *said,
        "Training and every choice of a setting look at the validation images alone; the test"
        " images are shown once to each finished network.",
    ]


def _describe_classes(arms: Sequence[Arm]) -> str:
    names = arms[0].records[0].provenance.get("class_names")
    return f", {count(len(names), 'class', 'classes')}" if names else ""


def _describe_clusters(packed: Sequence[Mapping[str, str]]) -> list[str]:
    kept = next((own["cluster"] for own in packed if "cluster" in own), None)
    if kept is None:
        return []
    clusters = unpack_values(kept)
    number, worth = len(np.unique(clusters)), statistics.count_effective(clusters)
    unlike = f" of unlike sizes, worth {worth:.0f} of equal size," if worth < 0.95 * number else ""
    what = (
        "which stand in place of single images below"
        if worth >= decision.FEWEST_CLUSTERS
        else f"fewer than {decision.FEWEST_CLUSTERS}, so that verdicts are on these images only"
    )
    return [f"Its test images come in {count(number, 'cluster')},{unlike} {what}."]


def _describe_training(judgement: Judgement) -> list[str]:
    arms, study = judgement.arms, judgement.study
    varied = [knob for knob in varied_knobs(study) if knob != "dataset"]
    differ = f", which differ in {join(varied)}," if varied else ""
    said = [
        f"Each of {count(len(arms), 'arm')}{differ} was trained with"
        f" {scope.describe_seeds(arms)}, {'from one list' if study.looks else 'the same'} for all."
        if len(arms) > 1
        else f"One arm was trained with {scope.describe_seeds(arms)}."
    ]
    drawn = any(record.scores.get("drawn_by_seed") for arm in arms for record in arm.records)
    parts = {knob: own for knob, own in PARTS.items() if drawn or knob != "seed_draw"}
    said.append(f"A seed draws {join([*parts.values()])}.")
    fixed = [own for knob, own in PARTS.items() if any(_fixes(arm, knob) for arm in arms)]
    if fixed:
        said.append(f"Arms that say so draw {join(fixed)} by a seed of that part alone.")
    said.append(_describe_length(arms))
    return [*said, *chosen.describe_tuning(judgement.study)]


def _fixes(arm: Arm, knob: str) -> bool:
    return getattr(arm.config, knob, -1) >= 0


def _describe_length(arms: Sequence[Arm]) -> str:
    def shared(knob: str, form: str) -> str:
        values = {getattr(arm.config, knob) for arm in arms}
        return form.format(format_value(values.pop())) if len(values) == 1 else ""

    steps, batch = shared("last_step", "{} steps"), shared("batch_size", "{} images")
    length = " of ".join(own for own in (steps, batch) if own) or "as many steps as its arm says"
    rest = [
        shared("optimizer", "by {}"),
        shared("learning_rate", "at a learning rate of {}"),
        shared("schedule", "on a {} schedule"),
        shared("steps", "of {} steps") if any(arm.config.stop_at for arm in arms) else "",
        shared("dtype", "in {}"),
    ]
    differ = [name for name in ("optimizer", "learning_rate") if not shared(name, "{}")]
    its = f"; each arm has its own {join(differ).replace('_', ' ')}" if differ else ""
    ends = ""
    if any(arm.config.patience for arm in arms):
        number = shared("patience", "{}") or "as many as its arm says"
        ends = (
            f" It ends before where evaluations, {number} in a row, bring no higher validation"
            " accuracy, and what is judged is the network after its best one."
        )
    return f"A run is {' '.join([length, *filter(None, rest)])}{its}.{ends}"


def _describe_test(judgement: Judgement) -> list[str]:
    rows, arms = judgement.verdicts, judgement.arms
    asked = [row for row in rows if reach.has_interval(row)]
    crossed = [row for row in asked if text.is_known(row["image_error"])]
    said = ["Scores are paired by seed, and each comparison has one interval, which decides it."]
    if crossed:
        some = "" if len(crossed) == len(asked) else f" of {len(crossed)} of {len(asked)}"
        said.append(
            f"The interval{some} is Student's t with the variance of the two-way layout in which"
            " seeds and test images, crossed, are both drawn from a population (Searle, Casella and"
            " McCulloch 1992), and Satterthwaite's degrees of freedom."
        )
    if len(crossed) < len(asked):
        others = "Those of the others are" if crossed else "The interval is"
        said.append(f"{others} Student's t over seeds.")
    if asked:
        said.append("The deviation is never taken to be below what rounding of scores would give.")
    if any(metrics.find(row["metric"]).counts_failures for row in rows):
        said.append("Shares of failed runs are compared by McNemar's exact test.")
    failed, runs = sum(arm.num_failed for arm in arms), sum(len(arm.records) for arm in arms)
    said.append(
        "A run has failed where a loss was no number, or its training loss ended no lower than that"
        f" of the best constant prediction: {failed or 'none'} of {count(runs, 'run')} did. A"
        " comparison uses the seeds that failed in no arm of either side, and is open where fewer"
        " than 3 of them, or than half, are left."
    )
    return said


def _describe_decision(judgement: Judgement) -> list[str]:
    study, rows = judgement.study, judgement.verdicts
    said = _describe_margins(judgement)
    heads = [row for row in rows if row["role"] != "secondary"]
    if study.looks and heads:
        seeds = join(str(look.seeds) for look in study.looks)
        levels = join(f"{100 * look.level:g}" for look in study.looks)
        said.append(
            f"Headlines were looked at with {seeds} seeds at two-sided levels of {levels}%, which"
            " sum to at most 5%, each data set for itself, and no further than the first look that"
            " decides one, or at which test images and no longer seeds leave it open."
        )
    elif heads:
        said.append("A claim's headline is held against 5%, two-sided, by its 95% interval.")
    if any(claim.parts > 1 for claim in study.claims):
        said.append("A claim of several parts holds where all do (Berger 1982), uncorrected.")
    if sum(claim.parts > 0 for claim in study.claims) > 1:
        said.append("Headlines of several claims are not corrected for each other.")
    if beside := max(len(claim.comparisons) - claim.parts for claim in study.claims):
        said.append(_describe_correction(judgement, beside, bool(heads)))
    if study.datasets:
        said.append(
            f"The {len(study.datasets)} data sets are a fixed list and no sample: no mean over them"
            " is taken. A claim is supported, refuted or equivalent where it is so on each of them"
            " (Berger 1982). It depends where the effects differ (Welch's F over the sets, p < 5%),"
            " it holds on one by Holm's correction, and intervals that share 5% show that it does"
            " not on another. All else is inconclusive."
        )
    if any(row["predicted"] != "none" for row in rows):
        said.append("What was predicted stands in the study, and was written before its first run.")
    return said


def _describe_correction(judgement: Judgement, beside: int, beneath: bool) -> str:
    """Of up to so many comparisons a claim that are `beneath` a headline, or stand alone."""
    study = judgement.study
    each = beneath and (len(study.claims) > 1 or study.looks)
    what = "The comparisons beside each" if each else f"The {beside} comparisons"
    what += " beside it" if beneath and not each else ""
    if beside == 1:
        what = "The comparison" + " beside it" * beneath
        return f"{what} is held against 5% {'too' if beneath else 'alone'}."
    if study.adjustment == "bonferroni":
        return f"{what} share 5% (Bonferroni), interval and p alike."
    return (
        f"{what} share a rate of false findings of 5% (Benjamini and Hochberg 1995), with intervals"
        " at the level of what was found."
    )


def _describe_margins(judgement: Judgement) -> list[str]:
    """The margins, and whose they are."""
    study = judgement.study
    common: dict[str, None] = {}
    own: dict[str, None] = {}
    borders = False
    for pair in (pair for claim in study.claims for pair in claim.comparisons):
        metric = pair.metric or study.metric
        if pair.has_border:
            borders = True
        elif pair.margin is None:
            common[_name_margin(metrics.find(metric).margin, metric)] = None
        else:
            own[_name_margin(pair.margin, metric)] = None
    said = []
    if common:
        said.append(
            f"{MARGIN} {join(common)}: the margin that the metric has in every study that names no"
            " other, and so older than these runs."
        )
    if own:
        said.append(f"{MARGIN} {join(own)}: the study's own margin, declared with its claims.")
    return [*said, *([BEYOND] if borders else [])]


def _name_margin(margin: float, metric: str) -> str:
    return f"{text.amount(margin, metric)} in {metrics.find(metric).label}"


def _describe_machine(judgement: Judgement) -> list[str]:
    made = [record.provenance for arm in judgement.arms for record in arm.records]

    def every(key: str) -> str:
        return " or ".join(dict.fromkeys(str(own[key]) for own in made if own.get(key)))

    versions = dict.fromkeys(f"{k} {v}" for own in made for k, v in own["packages"].items())
    revision = every("code_revision")
    cores = [str(cpu) for own in made if (cpu := origin.read(own).get("cpu"))]
    device = every("device") or every("platform")
    on = [
        f"on {device}" + (f" ({join(dict.fromkeys(cores))})" if cores else "") if device else "",
        f"under {every('system')}" if every("system") else "",
    ]
    names = [
        f"cnnjax {every('cnnjax')}".rstrip() + (f" at revision {revision}" if revision else ""),
        *([f"Python {every('python')}"] if every("python") else []),
        *versions,
    ]
    days = sorted({own["date"][:10] for own in made})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    where = " ".join(filter(None, on))
    return [f"Made {where + ' ' if where else ''}with {join(names)}; {when}."]
