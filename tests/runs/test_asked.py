"""A kept network is asked about files, and scored on images that it was not made for."""

import json

import numpy as np
import pytest
from PIL import Image

from cnnjax.config.errors import ConfigError
from cnnjax.runs import evaluate, files
from cnnjax.runs.load import load_run
from cnnjax.runs.run import calibrate
from experiments import evaluate as evaluate_script
from experiments import predict as predict_script
from experiments import script

OPTAX = True  # see conftest.py


@pytest.fixture
def own(folder):
    return load_run(folder)


@pytest.fixture
def pictures(digits, tmp_path):
    """Some test images as files of 0 to 255, in a folder and one below it."""
    (tmp_path / "png" / "below").mkdir(parents=True)
    for place, name in enumerate(["a.png", "b.png", "below/c.png"]):
        pixels = np.rint(digits.test.images[place, ..., 0] * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "png" / name)
    return tmp_path / "png"


def test_files_are_as_the_network_was_trained_on_them(own, digits, pictures):
    said = []
    given = files.read_images([str(pictures), str(pictures / "b.png")], own, say=said.append)
    names = ["a.png", "b.png", "below/c.png", "b.png"]
    assert given.names == [str(pictures / name) for name in names]
    np.testing.assert_allclose(given.images, digits.test.images[[0, 1, 2, 1]], atol=0.04)
    assert said == ["pixels of files, 0 to 255, are 0 to 16 here, as those of digits are"]


def test_arrays_are_as_they_are_stored(own, digits, tmp_path):
    np.save(tmp_path / "one.npy", digits.test.images[:2])
    np.savez(tmp_path / "two.npz", images=digits.test.images[2:4], labels=digits.test.labels[2:4])
    paths = [str(tmp_path / name) for name in ("one.npy", "two.npz")]
    given = files.read_images(paths, own)
    assert np.array_equal(given.images, digits.test.images[:4])
    assert given.names == [f"{path}[{place}]" for path in paths for place in range(2)]


def test_grey_arrays_need_no_axis_of_channels(own, digits, tmp_path):
    np.save(tmp_path / "grey.npy", digits.test.images[:3, ..., 0])
    given = files.read_images([str(tmp_path / "grey.npy")], own)
    assert np.array_equal(given.images, digits.test.images[:3])


@pytest.mark.parametrize(
    ("low", "high", "dataset", "scale"),
    [
        (0, 16, "digits", 16 / 255),
        (0, 255, "shapes", 1.0),
        (0, 100, "arrays:x.npz", 1.0),  # dark images of bytes
        (0.0, 0.98, "arrays:x.npz", 1 / 255),
        (0, 1, "folder:x", 1.0),
        (-2.1, 2.6, "arrays:x.npz", None),
        (0, 1000, "arrays:x.npz", None),
    ],
)
def test_pixels_of_files_are_scaled_as_those_of_training_were(own, low, high, dataset, scale):
    import dataclasses

    pixels = own.final.input.pixels._replace(low=low, high=high)
    final = own.final._replace(input=own.final.input._replace(pixels=pixels))
    other = dataclasses.replace(
        own, final=final, config=dataclasses.replace(own.config, dataset=dataset)
    )
    if scale is None:
        with pytest.raises(ConfigError, match="has pixels of .*, and files .*: give arr"):
            files.find_scale(other)
    else:
        assert files.find_scale(other) == scale


def test_an_image_of_another_size_is_refused_or_fitted(own, digits, tmp_path):
    path = tmp_path / "large.png"
    large = np.kron(digits.test.images[0, ..., 0], np.ones((4, 4))) * (255 / 16)
    Image.fromarray(np.pad(large, ((0, 0), (6, 6))).astype(np.uint8)).save(path)
    with pytest.raises(ConfigError, match="large.png is 32x44, .* takes 8x8: --fit cuts and"):
        files.read_images([str(path)], own)
    given = files.read_images([str(path)], own, fit=True)
    np.testing.assert_allclose(given.images[0], digits.test.images[0], atol=3.5)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.png", b"no image", "x.png is no image that can be read: UnidentifiedImageError"),
        ("x.npy", b"no array", "x.npy cannot be read"),
        ("x.npz", b"no arrays", "x.npz cannot be read"),
        ("nowhere.png", None, "nowhere.png is neither a file nor a folder"),
    ],
)
def test_what_is_no_image_is_named(own, tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        files.read_images([str(tmp_path / name)], own)


def test_a_folder_without_images_and_an_archive_of_several_arrays_are_named(own, tmp_path):
    with pytest.raises(ConfigError, match="has no images in it"):
        files.read_images([str(tmp_path)], own)
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(ConfigError, match="has the arrays a, b: call one of them images"):
        files.read_images([str(tmp_path / "two.npz")], own)


def test_calibrated_probabilities_are_those_of_logits_over_the_temperature(own, digits):
    logits = np.array([[2.0, 0.0, -1.0], [0.5, 0.4, 90.0]])

    def softmax(values):
        shifted = np.exp(values - values.max(axis=-1, keepdims=True))
        return shifted / shifted.sum(axis=-1, keepdims=True)

    found = calibrate(softmax(logits).astype(np.float32), 2.5)
    np.testing.assert_allclose(found[0], softmax(logits / 2.5)[0], rtol=1e-5)
    assert own.temperature == own.scores["temperature"] != 1
    plain, scaled = (own.predict(digits.test.images, calibrated=own_) for own_ in (False, True))
    assert np.array_equal(plain.argmax(axis=1), scaled.argmax(axis=1))
    assert not np.allclose(plain, scaled, atol=1e-3)
    with pytest.raises(ConfigError, match="no temperature"):
        calibrate(plain, None)


def test_on_its_own_images_a_run_scores_what_its_record_says(own, where):
    found = evaluate.evaluate(own, None, where)
    scores = own.scores
    assert found.accuracy.mean == pytest.approx(scores["test_accuracy"], abs=1e-7)
    assert found.accuracy.count == scores["num_test_examples"]
    assert found.loss == pytest.approx(scores["test_loss"], rel=1e-4)
    assert found.ece == pytest.approx(scores["test_ece"], abs=1e-4)
    assert found.ece_scaled == pytest.approx(scores["test_ece_scaled"], abs=1e-4)
    balanced = np.mean([share.mean for share in found.by_class.values()])
    assert balanced == pytest.approx(scores["test_balanced_accuracy"], abs=1e-6)
    assert found.confusion.sum() == found.accuracy.count
    other = evaluate.evaluate(own, None, where, "validation")
    assert other.accuracy.mean == pytest.approx(scores["validation_accuracy"], abs=1e-6)


def test_weights_that_are_not_the_last_have_no_temperature(own):
    import dataclasses

    best = dataclasses.replace(own, final=own.final._replace(step=own.config.steps // 2))
    assert best.temperature is None != own.temperature


@pytest.fixture
def pngs(digits, tmp_path):
    """A data set of images as files of 0 to 255, few enough that no training would take them."""
    for place in range(30):
        folder = tmp_path / "set" / str(digits.test.labels[place])
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.rint(digits.test.images[place, ..., 0] * (255 / 16)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    return tmp_path / "set"


def test_a_small_folder_of_files_is_scored_whole_and_in_the_range_of_training(
    own, digits, pngs, where
):
    said = []
    found = evaluate.evaluate(own, f"folder:{pngs}", where, "all", said.append)
    answers = own.predict(digits.test.images[:30]).argmax(axis=1)
    assert found.accuracy[:2] == ((answers == digits.test.labels[:30]).sum(), 30)
    assert any("pixels of folder:" in note and "are 0 to 16 here" in note for note in said)
    few = evaluate.evaluate(own, f"folder:{pngs}", where, "test", said.append)
    assert few.accuracy.count < 30
    assert said[-2].endswith(f"{few.accuracy.count} of 30 images are its test split; --split=all"
                             " scores all")  # fmt: skip


def test_images_of_another_range_are_refused_or_scaled(own):
    import dataclasses

    bright = own.final.input.pixels._replace(high=255.0)
    other = dataclasses.replace(
        own, final=own.final._replace(input=own.final.input._replace(pixels=bright))
    )
    dim = np.full((1, 8, 8, 1), 16.0)
    with pytest.raises(ConfigError, match="x has pixels up to 16, .* trained on pixels up to 255"):
        evaluate.match_pixels(other, dim, "x", print)
    assert np.array_equal(evaluate.match_pixels(own, dim, "x", print), dim)


def test_classes_are_known_by_name_in_whatever_order(own, digits):
    turned = digits._replace(class_names=digits.class_names[::-1])
    assert evaluate.match_classes(own, turned) == [*range(9, -1, -1)]
    few = digits._replace(class_names=("3", "7"), num_classes=2)
    assert evaluate.match_classes(own, few) == [3, 7]
    unnamed = digits._replace(class_names=())
    assert evaluate.match_classes(own, unnamed) == [*range(10)]


@pytest.mark.parametrize(
    ("names", "said"),
    [(("3", "cat"), "does not tell: cat$"), ((), "has 2 classes, and this network tells 10")],
)
def test_other_classes_are_refused(own, digits, names, said):
    with pytest.raises(ConfigError, match=said):
        evaluate.match_classes(own, digits._replace(class_names=names, num_classes=2))


def test_shares_and_confusions_are_counted_by_class(own):
    answers = np.eye(10, dtype=np.float32)[[0, 0, 3, 3, 3]] * 0.9 + 0.01
    found = evaluate.score(own, answers, np.array([0, 3, 3, 0, 0]), "some", "test")
    assert found.accuracy[:2] == (2, 5)
    assert {name: share[:2] for name, share in found.by_class.items()} == {"0": (1, 3), "3": (1, 2)}
    assert found.by_class["0"].interval == pytest.approx((0.0615, 0.7923), abs=1e-4)  # Wilson
    confused = evaluate.list_confused(found, own.class_names)
    assert confused == [("0", "3", 2), ("3", "0", 1)]
    with pytest.raises(ConfigError, match="some has no test images"):
        evaluate.score(own, answers[:0], np.array([], int), "some", "test")


def stop():
    return script.Stop("nothing was written")


def test_predict_prints_and_writes_the_same_answers(folder, pictures, tmp_path, capsys):
    argv = ["predict", str(folder), str(pictures), "--top=2", f"--json={tmp_path / 'x.json'}",
            f"--csv={tmp_path / 'x.csv'}"]  # fmt: skip
    assert predict_script.main(argv, stop()) == 0
    printed = capsys.readouterr().out.splitlines()
    found = json.loads((tmp_path / "x.json").read_text())
    assert found["calibrated"] and len(printed) == len(found["images"]) == 3
    rows = (tmp_path / "x.csv").read_text().splitlines()
    assert rows[0] == "image,class_1,probability_1,class_2,probability_2" and len(rows) == 4
    for line, row, answer in zip(printed, rows[1:], found["images"], strict=True):
        first = answer["classes"][0]
        assert row.startswith(f"{answer['image']},{first['class']},{first['probability']}")
        assert f"{first['class']} {100 * first['probability']:.1f}%" in line


def test_raw_probabilities_are_others(folder, own, digits, pictures, tmp_path):
    for name, flags in (("a", []), ("b", ["--raw"])):
        argv = ["predict", str(folder), str(pictures), f"--json={tmp_path / name}", "--quiet"]
        assert predict_script.main([*argv, *flags], stop()) == 0
    both = [json.loads((tmp_path / name).read_text()) for name in ("a", "b")]
    assert [one["calibrated"] for one in both] == [True, False]
    likely = [one["images"][0]["classes"][0]["probability"] for one in both]
    assert likely[0] != likely[1]


def test_evaluate_prints_and_writes_the_same_scores(folder, where, tmp_path, capsys):
    argv = [
        "evaluate",
        str(folder),
        f"--json={tmp_path / 'x.json'}",
        f"--data_dir={where.data_dir}",
    ]
    assert evaluate_script.main(argv, stop()) == 0
    found, printed = json.loads((tmp_path / "x.json").read_text()), capsys.readouterr().out
    low, high = found["interval"]
    said = f"{100 * found['accuracy']:.2f}% [{100 * low:.2f}, {100 * high:.2f}] of 1,000 images"
    assert said in printed and len(found["confusion"]) == len(found["classes"]) == 10


@pytest.mark.parametrize(
    ("main", "argv", "said"),
    [
        (predict_script.main, ["predict", "runs/one"], "name the folder of a run and then images"),
        (evaluate_script.main, ["evaluate"], "name the folder of one run"),
        (evaluate_script.main, ["evaluate", "a", "b"], "name the folder of one run"),
    ],
)
def test_what_is_not_named_is_asked_for(main, argv, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(argv, stop())
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_where_there_is_no_run_it_is_said(tmp_path):
    with pytest.raises(ConfigError, match="is no folder of a run"):
        predict_script.main(["predict", str(tmp_path / "nowhere"), "x.png"], stop())
