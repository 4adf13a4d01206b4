"""A metric is one function and its decorator: of a record, or of logits and labels."""

import subprocess
import sys

import numpy as np
import pytest

from cnnjax.config import declared, register
from cnnjax.config.errors import ConfigError
from cnnjax.measures import outcome
from cnnjax.study import arms, metrics
from cnnjax.study.claims import Study
from tests.by_hand import AVG, MAX, STUDY, compare, fail, judge, make_records

LOGITS = np.array([[2, 1, 0], [0, 3, 1], [0, 1, 4], [5, 1, 0]], np.float32)
LABELS = np.array([0, 1, 1, 2])
REAL = np.ones(4, bool)


@pytest.fixture(autouse=True)
def nothing_stays_declared(monkeypatch):
    for kind in ("metric", "measure"):
        monkeypatch.setitem(register.CHOICES, kind, dict(register.CHOICES[kind]))


def score(name, logits=LOGITS, labels=LABELS):
    """What a run with these logits keeps of a metric: by image, and as one number."""
    found = {name: {"logits": logits.T, "labels": labels}}
    return outcome.finish(found, np.ones(len(labels), bool), None)


def keep(records, name, rng):
    """Records in which that metric of four images was kept."""
    for record in records:
        right = rng.random(4) < record.scores["test_accuracy"]
        record.scores[name] = float(right.mean())
        record.scores["by_image"] = outcome.pack({name: right}, LABELS, None)
    return records


def test_a_function_of_a_record_is_a_metric():
    @register.metric("best_validation", margin=0.01, share=True)
    def best(record):
        """The best validation accuracy on the way."""
        return max(line["validation_accuracy"] for line in record.metrics)

    own = metrics.find("best_validation")
    assert (own.label, own.margin, own.share, own.measure) == ("best validation", 0.01, True, "")
    assert "best_validation" in metrics.list_names()
    row = compare(MAX, AVG, metric="best_validation")
    assert row["verdict"] == "supported" and row["margin"] == 0.01
    assert np.isnan(own.read(fail(make_records()[0])))


def test_one_by_image_answers_for_other_images_too():
    @register.metric("even_images", margin=0.01, by_image=True)
    def even(record):
        right = metrics.kept("test_accuracy")(record)
        return np.where(np.arange(len(right)) % 2, np.nan, right)

    records = keep(make_records(), "test_accuracy", np.random.default_rng(0))
    own = metrics.find("even_images")
    right = own.images(records[0])
    assert own.read(records[0]) == np.nanmean(right) and own.resolution(records[0]) == 1 / 2
    assert compare(MAX, AVG, metric="even_images", records=records)["image_error"] > 0
    failed = fail(records[0])
    assert own.images(failed) is None and np.isnan(own.read(failed))


def test_one_of_logits_is_a_measure_and_its_reader():
    @register.metric("spread_of_logits", margin=0.5, unit="nats")
    def find_spread(logits, labels):
        return logits.max() - logits.min()

    assert score("spread_of_logits") == ({}, {"spread_of_logits": 5.0})
    study = Study("a", "A?", {}, (MAX, AVG), (), metric="spread_of_logits")
    assert arms.make_base(study, {}).measure == ("spread_of_logits",)
    own = metrics.find("spread_of_logits")
    assert own.measure == "spread_of_logits" and own.unit == "nats" and not own.share
    record = make_records()[0]
    record.scores["spread_of_logits"] = 5.0
    assert own.read(record) == 5.0 and own.images(record) is None


@pytest.mark.parametrize("library", ["numpy", "jax.numpy"])
def test_either_library_computes_one_image_by_image(library):
    array = pytest.importorskip(library)

    @register.metric("is_right", margin=0.01, share=True, by_image=True)
    def find_right(logits, labels):
        return array.argmax(logits, axis=-1) == labels

    images, scores = score("is_right")
    assert images["is_right"].tolist() == [True, True, False, False] and scores == {}
    study = STUDY._replace(metric="is_right")
    records = keep(make_records(own=study), "is_right", np.random.default_rng(0))
    own = metrics.find("is_right")
    assert own.images(records[0]).shape == (4,) and own.resolution(records[0]) == 1 / 4
    row, _ = judge(records, study).verdicts
    assert row["metric"] == "is_right" and row["image_error"] > 0


def test_of_a_run_that_failed_nothing_is_computed():
    for by_image in (False, True):

        @register.metric(f"raises_{by_image}", margin=1, by_image=by_image)
        def fail_always(logits, labels):
            raise AssertionError

    logits = np.full((4, 3), np.nan)
    assert np.isnan(score("raises_False", logits)[1]["raises_False"])
    assert np.isnan(score("raises_True", logits)[0]["raises_True"]).tolist() == [True] * 4


@pytest.mark.parametrize(("by_image", "wanted"), [(True, "for each test image"), (False, "$")])
def test_what_has_another_shape_is_refused(by_image, wanted):
    @register.metric("odd", margin=1, by_image=by_image)
    def find_odd(logits, labels):
        return logits

    with pytest.raises(ValueError, match=rf"odd gives .* \[4, 3\]: give one number.*{wanted}"):
        score("odd")


def test_the_names_of_the_arguments_decide():
    with pytest.raises(ConfigError, match=r"metric x takes \['a', 'b'\]: write \(record\) or"):
        register.metric("x", margin=1)(lambda a, b: 0.0)
    with pytest.raises(ConfigError, match="reads nothing else"):
        register.metric("x", margin=1, measure="robustness")(lambda logits, labels: 0.0)


def test_a_name_that_is_taken_is_refused():
    for name in ("test_loss", "test_top5_accuracy"):
        with pytest.raises(ConfigError, match=f"{name} is there already"):
            register.metric(name, margin=1)(lambda record: 0.0)


def test_a_name_that_is_none_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no metric test_acuracy: did you mean test_accuracy"):
        metrics.find("test_acuracy")


def test_the_true_class_is_among_five():
    logits = np.array([[6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6]], np.float32)
    images, _ = score("test_top5_accuracy", logits, np.array([4, 0]))
    assert images["test_top5_accuracy"].tolist() == [True, False]


def test_one_of_logits_in_the_package_is_read_without_its_module():
    """A verdict imports no JAX, and the module of such a metric may."""
    code = (
        "import sys\nfrom cnnjax.study import metrics\n"
        "own = metrics.find('test_top5_accuracy')\n"
        "print(own.label, own.margin, own.share, own.measure, 'test_top5_accuracy' in"
        " metrics.list_names(), 'jax' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "top-5 accuracy 0.005 True test_top5_accuracy True False"


def test_a_recall_is_named_by_number_or_by_class():
    records = keep(make_records(), "test_accuracy", np.random.default_rng(0))
    for record in records:
        record.provenance["class_names"] = ["cat", "golden retriever", "tree"]
    by_name, by_number = (
        metrics.find(f"test_recall_{asked}") for asked in ("golden_retriever", "1")
    )
    assert by_name.label == "recall of class golden_retriever"
    for record in records[:4]:
        assert by_name.read(record) == by_number.read(record)
    assert by_name.resolution(records[0]) == 1 / 2
    records[0].provenance.pop("class_names")
    assert by_number.read(records[0]) >= 0


@pytest.mark.parametrize(
    ("asked", "names", "place"),
    [
        ("1", (), 1), ("2", ("7", "8", "9"), 2), ("7", ("7", "8", "9"), 0),
        ("cat", ("dog", "cat"), 1), ("a_b", ("a b", "c"), 0),
    ],
)  # fmt: skip
def test_a_class_is_found(asked, names, place):
    assert metrics.find_class(asked, names) == place


@pytest.mark.parametrize(
    ("asked", "names", "message"),
    [
        ("cet", ("cat", "dog"), "test_recall_cet: no class has that name: did you mean cat"),
        ("a_b", ("a b", "a-b"), "test_recall_a_b: several classes have that name: give its num"),
        ("cat", (), "no class has that name: give its number"),
        ("2", ("cat", "dog"), "test_recall_2: there are 2 classes, from 0 on"),
    ],
)
def test_a_class_that_is_none_is_refused(asked, names, message):
    with pytest.raises(ConfigError, match=message):
        metrics.check_classes(("test_loss", f"test_recall_{asked}"), names)


@pytest.mark.parametrize(
    "arguments, facts",
    [
        (
            ", margin=5e-3, share=True, by_image=True)\n",
            {"margin": 0.005, "share": True, "by_image": True},
        ),
        (', label="a, b=c",\n    margin=0.1,\n)\n', {"label": "a, b=c", "margin": 0.1}),
        (", margin=1 / 200)\n", {"margin": "1 / 200"}),
        (")\n@functools.cache\n", {}),
    ],
)
def test_the_source_of_a_decorator_is_read_as_python_does(arguments, facts):
    assert declared.read_facts(arguments) == facts


def test_a_margin_that_is_no_plain_number_is_refused():
    with pytest.raises(ConfigError, match="margin=1 / 200: give a plain number"):
        metrics._of_logits("top_two", {"margin": "1 / 200"})


@pytest.mark.parametrize(
    ("by_image", "given", "words"),
    [
        (False, "good", "metric odd gives the text 'good': give one number$"),
        (False, np.zeros(3), r"metric odd gives float64 \[3\]: give one number$"),
        (True, 1.0, r"metric odd gives 1.0: give one number for each test image, \[N\]$"),
        (False, None, "metric odd gives None of every run: return a number$"),
    ],
)
def test_what_a_metric_of_a_record_gives_is_checked_with_its_place(by_image, given, words):
    register.metric("odd", margin=1, by_image=by_image)(lambda record: given)
    with pytest.raises(ConfigError, match=rf"test_metrics\.py:\d+: {words}"):
        judge(make_records(), STUDY._replace(metric="odd"))
    silent = [fail(record) for record in make_records()]
    metrics.check_given("odd", silent)  # of no run that failed it is asked


@pytest.mark.parametrize("outside", [True, False])
def test_no_metric_of_a_record_meets_a_run_that_failed(monkeypatch, outside):
    """But one that counts these: where it is declared makes no difference."""
    if not outside:
        monkeypatch.setattr(register.callers, "find_place", lambda asking: ("", 0))
    one, other = make_records(num_seeds=1)[:2]

    def by_image(record):
        return np.array([record.scores["test_loss"] / 2])

    @register.metric("half", margin=0.1, by_image=by_image)
    def half(record):
        return record.scores["test_loss"] / 2

    @register.metric("broken", margin=0.1, counts_failures=True)
    def broken(record):
        return 1.0 if record.failed else 0.0

    own = metrics.find("half")
    assert own.read(one) == 0.15 and np.isnan(own.read(fail(other)))
    assert own.images(one) == [0.15] and own.images(fail(other)) is None
    assert metrics.find("broken").read(fail(other)) == 1.0
    assert metrics.find("initial_loss").read(fail(other)) == 2.3  # it says that still


def test_a_metric_of_which_no_run_has_any_is_said(tmp_path):
    from cnnjax.report import page, terminal

    records = make_records(num_seeds=3)
    assert terminal.list_failed(judge(records)) == []
    own = STUDY._replace(metric="fc_correlation")
    found = judge(records, own)
    line = "fc_correlation: no run has it, so nothing is compared by it"
    assert terminal.list_failed(found) == [f"note: {line}"]
    assert line in page.write_report(found, tmp_path, "").read_text()
    failed = judge([fail(record) for record in records], own)
    assert not any("no run has" in said for said in terminal.list_failed(failed))
