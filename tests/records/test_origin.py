"""Origins are compared field by field, and records are found by them."""

from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from cnnjax import api
from cnnjax.config.config import Config, request_of, to_json
from cnnjax.config.datasets import Where
from cnnjax.config.knobs import ConfigError
from cnnjax.records import archive, origin
from cnnjax.records.address import arm_key, record_id
from cnnjax.records.record import Record, record_path, write_record
from cnnjax.records.store import load_records
from cnnjax.study import wanted
from cnnjax.sweep import backend, stages
from cnnjax.sweep.lanes import describe_origin, make_provenance
from tests.by_hand import COST, LINES, PROVENANCE, SCORES, STUDY, make_records
from tests.records.test_store import ORIGIN

NEVER: Any = None  # nobody asks what is conducted here to stop
LANES = [Config(pool=pool, seed=seed) for pool in ("max", "avg") for seed in (0, 1)]


def test_what_differs_is_named_with_its_values():
    other = {
        **ORIGIN,
        "device_kind": "H100",
        "cpu_features": ["avx2", "avx512f", "fma"],
        "settings": {**ORIGIN["settings"], "jax_random_seed_offset": 7},
        "versions": {"jax": "0.12.0"},
    }
    assert origin.compare([ORIGIN, ORIGIN]) == []
    assert origin.compare([ORIGIN, other]) == [
        "device_kind: cpu against H100",
        "cpu_features: without against avx512f",
        "versions jax: 0.10.2 against 0.12.0",
        "settings jax_random_seed_offset: not recorded against 7",
    ]


def test_what_plays_no_part_in_one_of_them_does_not_differ():
    assert origin.compare([ORIGIN, {**ORIGIN, "num_devices": 2}]) == []
    assert origin.compare([{**ORIGIN, "num_devices": n} for n in (2, 4)]) == [
        "num_devices: 2 against 4"
    ]


def test_unlike_cpus_may_be_mixed_and_nothing_else():
    other = {**ORIGIN, "cpu": "znver5", "cpu_features": ["avx512f"], "cpu_threads": 8}
    assert len(origin.compare([ORIGIN, other])) == 3
    assert origin.compare([ORIGIN, other], ["cpu"]) == []
    assert origin.compare([ORIGIN, {**other, "data": "e"}], ["cpu"]) == ["data: data against e"]


def test_a_record_whose_origin_was_a_sentence_is_compared_by_what_it_says():
    former = {
        "origin": "cpu program abc data def", "platform": "cpu", "device": "cpu",
        "program_version": "abc", "data_fingerprint": "def", "packages": {"jax": "0.10.2"},
    }  # fmt: skip
    found = origin.read(former)
    assert (found["platform"], found["program"], found["data"]) == ("cpu", "abc", "def")
    assert origin.compare([found, {**found, "program": "abd"}]) == ["program: abc against abd"]
    assert "cpu: not recorded against haswell" in origin.compare([found, ORIGIN])


def test_the_origin_is_of_plain_values_and_says_what_xla_compiles_for(tiny, digits):
    found = describe_origin(tiny, digits, "program", backend.describe())
    assert origin.compare([found, make_provenance(tiny, digits, "program")["origin"]]) == []
    assert record_id(tiny, found)
    assert found["data"] == digits.fingerprint and found["program"] == "program"
    assert set(backend.NUMERIC_PACKAGES) == set(found["versions"])
    if found["platform"] == "cpu":
        assert found["cpu"] and found["cpu_threads"] >= 1
        assert found["cpu_features"] == sorted(found["cpu_features"])


def test_what_xla_says_of_the_processor_is_what_the_system_says():
    cpu, features = backend.find_cpu()
    _, system = backend._ask_system()
    assert cpu.isascii() and "," not in cpu
    for name in ("avx2", "avx512f", "fma", "f16c"):
        if system:
            assert (name in features) == (name in system)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jax_default_prng_impl", "rbg"),
        ("jax_random_seed_offset", 7),
        ("jax_threefry_partitionable", False),
        ("jax_default_matmul_precision", "bfloat16"),
        ("jax_optimization_level", "O1"),
        ("jax_disable_most_optimizations", True),
    ],
)
def test_a_setting_that_changes_numbers_has_an_address_of_its_own(name, value):
    before, usual = backend.list_settings(), jax.config.values[name]
    jax.config.update(name, value)
    try:
        assert backend.list_settings() != before
    finally:
        jax.config.update(name, usual)
    assert backend.list_settings() == before


@pytest.mark.parametrize("name", ["jax_log_compiles", "jax_debug_nans", "jax_enable_checks"])
def test_a_setting_that_changes_none_has_not(name):
    before, usual = backend.list_settings(), jax.config.values[name]
    jax.config.update(name, True)
    try:
        assert backend.list_settings() == before
    finally:
        jax.config.update(name, usual)


def test_flags_that_change_numbers_are_told_from_those_that_do_not(monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x --xla_cpu_enable_fast_math --xla_a=2")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    wanted = {"--xla_a": "2", "--xla_cpu_enable_fast_math": "true", "NVIDIA_TF32_OVERRIDE": "0"}
    assert backend.list_flags() == wanted
    (tmp_path / "flags").write_text("--xla_a=2\n--xla_cpu_enable_fast_math\n")
    monkeypatch.setenv("XLA_FLAGS", str(tmp_path / "flags"))
    assert backend.list_flags() == wanted


def test_what_is_fed_otherwise_is_told_so():
    """A machine that streams what another holds trains other runs, under --feed=auto too."""
    other = {**ORIGIN, "feed": "stream", "data": "other"}
    assert origin.compare([ORIGIN, other]) == [
        "data: data against other", "feed: memory against stream",
    ]  # fmt: skip
    request = request_of(Config())
    arms = [
        (request, [make_record(LANES[0], "a")]),
        (request, [make_record(LANES[2], "b", **other)]),
    ]
    assert archive.compare_arms(arms, ())[0][0] == "feed: memory against stream"


def test_each_arm_may_choose_its_mesh_and_its_runs_have_one():
    def compare(*shares):
        """What differs in arms of runs whose batches lie on so many devices."""
        arms = [
            (request_of(Config()), [make_record(LANES[0], "a", batch_shares=own) for own in arm])
            for arm in shares
        ]
        return archive.compare_arms(arms, ())[0]

    assert compare([1, 1], [8, 8]) == []
    assert compare([1, 1], [1, 8]) == ["batch_shares: 1 against 8"]


def make_record(lane, date, **changes):
    own = {**ORIGIN, **changes}
    config = to_json(lane)
    provenance = {**PROVENANCE, "origin": own, "date": date}
    return Record(record_id(lane, own), config, SCORES, LINES, COST, provenance)


def test_runs_of_unlike_feeds_are_not_taken_together(tmp_path):
    """Under --feed=auto a machine of less memory streamed one of them anew."""
    whole = [make_record(lane, "2026-01-01", feed="memory") for lane in LANES]
    other = make_record(LANES[0], "2026-02-01", feed="stream")
    (found,) = archive.list_complete(LANES, [*whole, other])
    assert found.records == whole


def test_the_newest_origin_that_has_every_lane_is_judged(tmp_path):
    for date, program, lanes in (
        ("2026-01-01", "old", LANES), ("2026-02-01", "newer", LANES),
        ("2026-03-01", "part", LANES[:3]),
    ):  # fmt: skip
        for lane in lanes:
            write_record(tmp_path, make_record(lane, date, program=program))
    records = list(load_records(tmp_path))
    newest, oldest = archive.list_complete(LANES, records)
    assert (newest.date, oldest.date) == ("2026-02-01", "2026-01-01")
    assert [record.config for record in newest.records] == [*map(to_json, LANES)]
    assert "program newer" in archive.describe(newest) and "jax 0.10.2" in archive.describe(newest)
    assert len(archive.list_complete(LANES[:3], records)) == 3


def test_a_data_set_has_one_fingerprint_within_an_origin():
    records = [make_record(lane, "2026-01-01", data=f"d{i % 2}") for i, lane in enumerate(LANES)]
    assert archive.list_complete(LANES, records) == []
    records += [make_record(lane, "2026-01-02", data="d0") for lane in LANES]
    (stock,) = archive.list_complete(LANES, records)
    assert {record.provenance["origin"]["data"] for record in stock.records} == {"d0"}


def test_unlike_cpus_make_one_stock_where_they_are_mixed():
    records = [make_record(lane, "2026-01-01", cpu=f"c{lane.seed}") for lane in LANES]
    assert archive.list_complete(LANES, records) == []
    assert len(archive.list_complete(LANES, records, ["cpu"])) == 1


def test_records_of_unlike_cpus_are_read_where_they_are_mixed(tiny, digits, tmp_path, monkeypatch):
    datasets = {request_of(tiny): digits}
    options = api.Options(tmp_path)
    first = api.train_wanted(wanted.fixed([tiny]), datasets, options)
    assert first.num_trained == 1
    machine = {**backend.describe(), "cpu": "another"}
    monkeypatch.setattr(backend, "describe", lambda: machine)
    again = api.train_wanted(wanted.fixed([tiny]), datasets, options._replace(mix=("cpu",)))
    assert again.num_trained == 0 and again.records == first.records
    alone = api.train_wanted(wanted.fixed([tiny]), datasets, options)
    own, other = alone.records[tiny], first.records[tiny]
    assert alone.num_trained == 1 and own.id != other.id
    np.testing.assert_equal(own.scores, other.scores)


def test_earlier_numbers_are_judged_and_nothing_is_trained(tmp_path):
    options = api.Options(tmp_path, num_seeds=3)
    records = make_records(num_seeds=3)
    for record in records:
        record.provenance["origin"] = {**ORIGIN, "program": "of another time"}
        write_record(tmp_path, record)
    finished = api.find_earlier(STUDY, {}, options)
    judgement, path = api.report_study(finished, options)
    assert [record.id for arm in judgement.arms for record in arm.records] == [
        record.id for record in records
    ]
    said = "nothing trained; records of cpu haswell, program of another time, jax 0.10.2"
    assert said in finished.source
    assert path.with_name("verdicts.json").exists()


def test_what_no_one_origin_has_whole_is_not_judged(tmp_path):
    for index, record in enumerate(make_records(num_seeds=3)):
        record.provenance["origin"] = {**ORIGIN, "program": f"p{index % 2}"}
        write_record(tmp_path, record)
    with pytest.raises(ConfigError, match="no one origin with a record of every lane"):
        api.find_earlier(STUDY, {}, api.Options(tmp_path, num_seeds=3))


def test_where_nothing_is_judged_damaged_records_are_spoken_of(tmp_path):
    records = make_records(num_seeds=3)
    for record in records:
        write_record(tmp_path, record)
    record_path(tmp_path, records[0].id).write_text("")
    with pytest.raises(ConfigError, match=r"\(1 damaged or .* --check names them\)"):
        api.find_earlier(STUDY, {}, api.Options(tmp_path, num_seeds=3))


def of_folder(path, seed=0, **changes):
    return make_record(Config(dataset=f"folder:{path}", seed=seed), "2026-01-01", **changes)


def test_files_of_ones_own_are_known_by_what_is_in_them_wherever_they_lie():
    lane = Config(dataset="folder:/moved")
    records = [of_folder("/cats", data="cats"), of_folder("/birds", data="birds")]
    (stock,) = archive.list_complete([lane], records, (), {request_of(lane): "cats"})
    assert [record.id for record in stock.records] == [records[0].id]
    assert stock.records[0].config["dataset"] == "folder:/moved"
    assert archive.list_complete([lane], records) == []  # nobody knows what lay there
    alike = archive.find_alike([lane], {lane: {**ORIGIN, "data": "birds"}}, records, [])
    assert alike[lane].id == records[1].id and alike[lane].config["dataset"] == "folder:/moved"


def test_arms_of_two_folders_stay_two():
    lanes = [Config(dataset=f"folder:/{name}") for name in ("a", "b")]
    records = [of_folder("/old", data="cats"), of_folder("/older", data="birds")]
    data = dict(zip(map(request_of, lanes), ("birds", "cats"), strict=True))
    (stock,) = archive.list_complete(lanes, records, (), data)
    assert [record.id for record in stock.records] == [records[1].id, records[0].id]
    assert arm_key(stock.records[0].config) != arm_key(stock.records[1].config)


def test_files_that_are_gone_are_known_by_their_path():
    lane = Config(dataset="folder:/cats")
    records = [of_folder("/cats", data="cats"), of_folder("/birds", data="birds")]
    for data in ({}, {request_of(lane): "streamed elsewhere"}):
        (stock,) = archive.list_complete([lane], records, (), data)
        assert [record.id for record in stock.records] == [records[0].id]


def test_moved_images_are_judged_by_what_is_in_them(tmp_path, small_folder):
    lane = Config(dataset=f"folder:{small_folder}", image_size=8)
    found = stages.fingerprint_files([lane, Config(), Config(dataset="folder:/gone")], Where())
    assert list(found) == [request_of(lane)]


@pytest.fixture
def small_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(20):
            pixels = rng.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    return tmp_path / "images"
