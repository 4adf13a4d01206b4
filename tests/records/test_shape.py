"""A record of odd shape is damaged; one that is read, every reader can take."""

import base64
import contextlib
import copy
import json
import math
import zlib

import numpy as np
import pytest

from cnnjax.config.knobs import RunError
from cnnjax.measures.packing import pack_values
from cnnjax.records import export, inventory, record, shape
from cnnjax.records.record import Record
from cnnjax.report import classes, figures, listings, page, scope, tables
from cnnjax.study import choosing, timing, tuning, wanted
from cnnjax.study.arms import make_base, make_lanes
from cnnjax.study.claims import Choosing, Tuning
from tests.by_hand import CLAIM, STUDY, judge, make_records

METRICS = ("test_accuracy", "test_loss", "steps_to_80", "auc_blur")
ARMS = tuple(arm for arm in STUDY.arms if arm["padding"] == "SAME")
OWN = STUDY._replace(
    arms=ARMS,
    claims=tuple(
        CLAIM._replace(id=name, comparisons=(CLAIM.comparisons[0]._replace(metric=name),))
        for name in METRICS
    ),
    choosing=Choosing({"pool": "max", "padding": "SAME"}), tuning=Tuning({"steps": (10, 20)}, (0,)),
)  # fmt: skip
IMAGES = np.arange(1000) % 2
CURVES = {"blur": {"strengths": [1.0, 2.0], "accuracy": [0.9, 0.5]}}
OTHERS = [None, True, -1, 10**400, "x\ny", [], {}, {"a": {"b": [1]}}]


def make_whole(own):
    """A record by hand with all that one of a trained lane may have."""
    images = {name: pack_values(IMAGES) for name in ("test_accuracy", "auc_blur", "label")}
    images |= {"test_loss": pack_values(IMAGES / 2), "cluster": pack_values(np.arange(1000))}
    images |= {"validation_accuracy": pack_values(IMAGES[:50])}
    scores = {**own.scores, "by_image": images, "robustness": CURVES, "auc_blur": 0.7}
    scores |= {"validation_loss": 0.4, "validation_accuracy": 0.9}
    cost = {**own.cost, "examples_per_second": 5000.0, "compile_seconds": 3.0}
    provenance = {**own.provenance, "class_names": ["a", "b"], "test_fingerprint": "t"}
    provenance |= {"texts": {}, "files": {"predictions.npz": "0"}, "num_devices": 2, "seconds": 1.5}
    origin = {**provenance["origin"], "cpu_features": ["fma"], "versions": {"jax": "1"}}
    origin |= {"settings": {"jax_a": True}, "flags": {}, "plugins": None, "num_devices": None}
    own = own._replace(scores=scores, cost=cost, provenance={**provenance, "origin": origin})
    return Record(**json.loads(json.dumps(own._asdict())))


RECORDS = [make_whole(own) for own in make_records(num_seeds=3, own=OWN)]
GOOD = {"schema": 1, "seed": 0, **RECORDS[0]._asdict()}
KNOBS = ("dataset", "model", "widths", "pool", "steps", "eval_every", "seed", "measure")


def pack_zeros(number):
    """As `pack_values` of so many zeros, without ever having them."""
    packer, block = zlib.compressobj(), bytes(2**20)
    parts = [packer.compress(block) for _ in range(number // len(block))]
    return "uint8:" + base64.b64encode(b"".join([*parts, packer.flush()])).decode()


def list_places(value, above=()):
    """Where there is a field, and the first of a list."""
    named = value.items() if isinstance(value, dict) else enumerate(value[:1])
    for name, own in named:
        yield (*above, name)
        if isinstance(own, (dict, list)):
            yield from list_places(own, (*above, name))


PLACES = [
    own for own in list_places(GOOD)
    if own[0] not in ("schema", "seed") and (own[0] != "config" or {*own[1:2]} <= {*KNOBS})
]  # fmt: skip


def change(place, *other):
    """The fields of the good record with another value at a place, or with none."""
    fields = copy.deepcopy(GOOD)
    above = fields
    for name in place[:-1]:
        above = above[name]
    if other:
        above[place[-1]] = other[0]
    else:
        del above[place[-1]]
    return fields


def read(own):
    """What lists, exports, judges, chooses and reports; raises where it cannot be read."""
    records = [own, *RECORDS[1:]]
    inventory.list_rows(records)
    rows = export.list_rows(records)
    tables.write_csv(rows)
    for name in rows[0]:
        export._unite([row[name] for row in rows])
    timing.estimate([], records, {}, 2)
    base = make_base(OWN, {})
    lanes = make_lanes(OWN, base, 3)
    found = wanted.match(lanes, records)
    if len(found) == len(lanes):
        choosing.compare_best(OWN, base, found, range(3))
        with contextlib.suppress(RunError):  # in a line
            tuning._read_correct(own)
    try:
        judgement = judge(records, OWN)
    except ValueError as error:  # the lane of another arm or seed, which a study would train
        assert "no records" in str(error) or "seed" in str(error) or "origin" in str(error)
        return
    for arm in judgement.arms:
        classes.list_classes([arm])
    listings.list_records(judgement)
    page.summarise_provenance(judgement)
    page.describe_report(judgement, "")
    scope.list_images(judgement)
    scope.describe_draws(judgement.arms)
    for row in judgement.verdicts:
        scope.describe_scope(row, judgement)


def test_a_record_of_any_shape_is_refused_or_read():
    assert shape.find_fault(GOOD) is None
    refused = 0
    for place in PLACES:
        for fields in [change(place), *(change(place, other) for other in OTHERS)]:
            wrong = shape.find_fault(fields)
            if wrong is None:
                read(Record(*(fields[name] for name in Record._fields)))
            else:
                refused += 1
    assert refused > 5 * len(PLACES)


def test_its_curves_are_drawn_whatever_their_length():
    short = {"blur": {"strengths": [1.0], "accuracy": [0.9]}}
    own = RECORDS[0]._replace(scores={**RECORDS[0].scores, "robustness": short})
    assert "robustness" in figures.draw_all(judge([own, *RECORDS[1:]], OWN))


ODD = {
    "provenance": ("provenance", {}),
    "cost": ("cost", {}),
    "no curve": ("metrics", []),
    "curve of text": ("metrics", [{"step": 1, "validation_accuracy": "0.5"}]),
    "settings": ("config", {"seed": 0}),
    "images cut": ("scores", {"num_test_examples": 3, "by_image": {"label": "uint8:eJx"}}),
    "images too few": (
        "scores", {"num_test_examples": 3, "by_image": {"label": pack_values(np.arange(2))}},
    ),
    "images of no type": ("scores", {"num_test_examples": 3, "by_image": {"label": "object:eJx"}}),
    "labels that are no classes": (
        "scores", {"num_test_examples": 2, "by_image": {"label": pack_values(np.array([0.5, 1]))}},
    ),
    "labels below nought": (
        "scores", {"num_test_examples": 2, "by_image": {"label": pack_values(np.array([-1, 1]))}},
    ),
    "labels beyond the classes": (
        "scores", {"num_test_examples": 2, "by_image": {"label": pack_values(np.array([2, 1]))}},
    ),
    "images that are no number": (
        "scores",
        {"num_test_examples": 2, "by_image": {"test_accuracy": pack_values(np.array([np.nan, 1]))}},
    ),
    "images that unpack to more than there is": (
        "scores", {"num_test_examples": 2**29, "by_image": {"test_loss": pack_zeros(2**29)}},
    ),
    "a share": ("scores", {"num_test_examples": 3, "test_accuracy": 5}),
}  # fmt: skip


@pytest.mark.parametrize("schema", [1, 2])
@pytest.mark.parametrize("name", ODD)
def test_one_of_odd_shape_is_damaged_whatever_its_schema(tmp_path, schema, name):
    field, value = ODD[name]
    fields = {**GOOD, "schema": schema, field: value}
    path = record.record_path(tmp_path, GOOD["id"])
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record.seal(fields) if schema == 2 else fields))
    with pytest.raises(record.DamagedRecord, match=f"lacks {field}.*, or has another kind of it"):
        record.load_record(tmp_path, GOOD["id"])


def test_a_setting_is_chosen_by_answers_that_are_there():
    own = RECORDS[0]._replace(scores={**RECORDS[0].scores, "by_image": {}})
    with pytest.raises(RunError, match="lacks its answers to validation images"):
        tuning._read_correct(own)


def test_without_a_loss_on_validation_a_setting_is_the_last_to_be_taken():
    own = RECORDS[0]._replace(scores={**RECORDS[0].scores, "validation_loss": None})
    assert tuning.mean_loss([RECORDS[0]]) == 0.4
    assert math.isinf(tuning.mean_loss([own, RECORDS[1]]))
