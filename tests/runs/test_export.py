"""A run is written as a file that needs no cnnjax, and answers there as it does here."""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config, from_json, structure_of
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.data.transform import Pixels
from cnnjax.networks import cost, models
from cnnjax.runs import export, portable
from cnnjax.runs.load import load_run
from cnnjax.runs.run import Run, make_run
from cnnjax.sweep.final import Final, Input
from tests.small import make_small

OPTAX = True  # see conftest.py
GREY, COLOUR = (8, 8, 1), (12, 12, 3)
CASES = {
    "cnn": (make_small("cnn"), GREY, "uint8"),
    "mlp": (make_small("mlp"), GREY, "uint8"),
    "batch norm": (make_small("cnn", norm="batch"), COLOUR, "uint8"),
    "resnet20": (make_small("resnet20"), COLOUR, "uint8"),
    "airbench94": (make_small("airbench94"), COLOUR, "uint8"),
    "floats": (make_small("mnist1d_cnn", dataset="mnist1d"), (1, 40, 1), "float32"),
    "permuted": (make_small("cnn", permute_pixels=True), COLOUR, "uint8"),
    "as stored": (make_small("cnn", standardise="none"), GREY, "float32"),
    "larger": (make_small("cnn", image_size=11), GREY, "float32"),
    "smaller": (make_small("cnn", image_size=8), COLOUR, "uint8"),
    "blurred": (make_small("cnn", pool="blur", conv="separable"), COLOUR, "uint8"),
    "twin": (make_small("mlp_twin"), GREY, "uint8"),
    "few poolings": (Config(widths=(4, 4, 4, 4, 4), hidden=()), GREY, "uint8"),
    "views": (make_small("cnn", views="mirror_shift"), COLOUR, "uint8"),
    "squeezed": (make_small("cnn", squeeze_ratio=2, head="global_gem"), COLOUR, "uint8"),
    "maxout": (make_small("cnn", activation="maxout", pool="avg"), GREY, "uint8"),
}  # fmt: skip
SLOW = dict.fromkeys(("resnet20", "airbench94", "blurred"), pytest.mark.slow)


def make(config: Config, shape=GREY, dtype="uint8") -> Run:
    """A run of random weights and statistics, as if it were trained."""
    network = cost.find_network(structure_of(config), shape, 10)
    model = models.make_model(network, shape, 10, "cpu")
    rng = np.random.default_rng(3)

    def draw(leaf):
        if leaf.ndim < 2:  # biases, scales, means, variances
            return 0.5 + rng.random(leaf.shape, np.float32)
        fan_in = np.float32(np.prod(leaf.shape[:-1]))
        return rng.standard_normal(leaf.shape, np.float32) / np.sqrt(fan_in)

    params, stats = jax.tree.map(draw, jax.eval_shape(model.init, jax.random.key(0)))
    low, high = (0.0, 255.0) if dtype == "uint8" else (-2.0, 2.0)
    channel = np.arange(shape[-1], dtype=np.float32)
    pixels = Pixels((low + high) / 2 + channel, high / 3 + channel, low, high)
    taken = Input(shape, 10, pixels, (), dtype)
    return make_run(config, {}, [], Final(params, stats, taken, 6), None)


@pytest.mark.parametrize("case", [pytest.param(case, marks=SLOW.get(case, ())) for case in CASES])
def test_stablehlo_answers_as_the_run_does_for_any_number_of_images(case):
    run = make(*CASES[case])
    exported = jax.export.deserialize(
        bytearray(portable.convert(run.config, run.network, "stablehlo"))
    )
    assert exported.platforms == portable.PLATFORMS
    images = export.make_images(run.input)
    for count in export.COUNTS:
        found, expected = exported.call(images[:count]), run.predict(images[:count])
        np.testing.assert_allclose(found, expected, rtol=0, atol=export.EXACT)
    assert len({tuple(row) for row in expected.round(3)}) > 1  # it looks at them


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_onnx_answers_as_the_run_does_for_any_number_of_images(case):
    pytest.importorskip("jax2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    run = make(*CASES[case])
    session = onnxruntime.InferenceSession(portable.convert(run.config, run.network, "onnx"))
    images = export.make_images(run.input)
    for count in export.COUNTS:
        (found,) = session.run(None, {"images": images[:count]})
        np.testing.assert_allclose(found, run.predict(images[:count]), rtol=0, atol=export.EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["stablehlo", "onnx"])
def test_a_folder_is_opened_elsewhere_by_what_it_says_of_itself(format, tmp_path, environment):
    if format == "onnx":
        pytest.importorskip("jax2onnx")
    run = make(make_small("cnn"))
    folder = run.export(tmp_path / "out", format)
    (tmp_path / "empty").mkdir()
    assert run.export(tmp_path / "empty", format) == tmp_path / "empty"
    form = portable.FORMS[format]
    names = {form.file, "final.safetensors", "about.json", "README.txt"}
    assert {path.name for path in folder.iterdir()} == names
    about = json.loads((folder / "about.json").read_text())
    assert 0 <= about["checked"]["largest_difference"] <= about["checked"]["allowed"] == 1e-5
    told = (folder / "README.txt").read_text()
    assert max(map(len, told.splitlines())) <= 100
    code = "".join(line[4:] + "\n" for line in told.splitlines() if line.startswith("    "))
    images = export.make_images(run.input)[:3]
    np.save(tmp_path / "images.npy", images)
    code = f"import numpy as np; images = np.load({str(tmp_path / 'images.npy')!r})\n{code}"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", f"{code}print(np.asarray(probabilities).tolist())"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    np.testing.assert_allclose(json.loads(ran.stdout), run.predict(images), rtol=0, atol=1e-5)


@pytest.fixture
def opened_here(monkeypatch):
    """A run whose file nobody opens: it answers as it should."""
    run = make(make_small("cnn"))

    def answer(file, images, should_stop):
        return np.concatenate([run.predict(images[:count]) for count in export.COUNTS])

    monkeypatch.setattr(export, "answer_elsewhere", answer)
    return run


def test_what_it_says_of_itself(opened_here, tmp_path):
    done = export.export_run(opened_here, tmp_path / "out", keep="best")
    assert done.files[:2] == ("model.stablehlo", "best.safetensors")
    about = json.loads((done.folder / "about.json").read_text())
    assert about["input"]["shape"] == ["n", 8, 8, 1] and about["input"]["dtype"] == "uint8"
    assert (about["input"]["low"], about["input"]["high"]) == (0, 255)
    assert about["output"]["shape"] == ["n", 10] and about["step"] == 6
    assert about["class_names"] == [str(place) for place in range(10)]
    assert about["platforms"] == ["cpu", "cuda", "rocm", "tpu"]
    assert from_json(about["config"]) == opened_here.config
    assert about["versions"]["jax"] == jax.__version__ and "6 months newer" in about["opens_until"]
    assert set(about["sha256"]) == set(done.files[:2])
    assert "6 months newer" in " ".join((done.folder / "README.txt").read_text().split())
    assert (done.folder.stat().st_mode & 0o777) == 0o755
    kept = load_run(done.folder, keep="best")
    images = export.make_images(kept.input)
    assert (kept.predict(images) == opened_here.predict(images)).all()


def test_whose_answers_differ_leaves_nothing(opened_here, tmp_path, monkeypatch):
    answer = export.answer_elsewhere
    monkeypatch.setattr(export, "answer_elsewhere", lambda *given: answer(*given) + 1e-3)
    with pytest.raises(RunError, match=r"differ by up to 0\.001, and 1e-05 is allowed"):
        opened_here.export(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_does_not_open_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(portable, "convert", lambda *_: b"no program")
    with pytest.raises(
        RunError,
        match=r"model\.stablehlo does not open in a fresh process, and nothing is written: \w",
    ):
        make(make_small("mlp")).export(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_asked_to_stop_it_leaves_nothing(tmp_path):
    asked = iter([False])
    with pytest.raises(export.Stopped):
        export.export_run(
            make(make_small("mlp")), tmp_path / "out", should_stop=lambda: next(asked, True)
        )
    assert not list(tmp_path.iterdir())


def refuse(run: Run, folder: pathlib.Path, format: str = "stablehlo") -> str:
    with pytest.raises(ConfigError) as error:
        run.export(folder, format)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_cannot_be_is_one_line(tmp_path, monkeypatch):
    run = make(make_small("mlp"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for path in (tmp_path / "full", tmp_path / "full" / "mine.txt"):
        assert refuse(run, path) == f"{path} is there already: name a new folder"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert refuse(run, pathlib.Path(".")) == ". would be replaced: name a new folder"
    assert refuse(run, tmp_path / "new", "onxx") == "format='onxx': give stablehlo or onnx"
    without = make_run(run.config, {}, [], None, None, tmp_path / "full")
    assert "holds no run" in refuse(without, tmp_path / "new")
    monkeypatch.setattr(portable.importlib.util, "find_spec", lambda name: None)
    said = refuse(run, tmp_path / "new", "onnx")
    assert said == "format=onnx: jax2onnx is missing: pip install -e '.[onnx]'"
    assert not (tmp_path / "new").exists()


def test_what_a_format_does_not_take_is_one_line(tmp_path, monkeypatch):
    def convert(*given):
        raise NotImplementedError("No plugins registered for primitive 'own'\nand more")

    form = portable.FORMS["onnx"]._replace(convert=convert, needs=())
    monkeypatch.setitem(portable.FORMS, "onnx", form)
    said = refuse(make(make_small("mlp")), tmp_path / "new", "onnx")
    assert said == (
        "format=onnx does not take this network: No plugins registered for primitive 'own'; try"
        " format=stablehlo"
    )


def test_a_network_that_counts_its_images_is_refused(tmp_path, monkeypatch):
    def apply(params, stats, images, key=None):
        return images.reshape(int(images.shape[0]), -1)[:, :10], stats

    made = models.make_model

    def make_counting(*given):
        return made(*given)._replace(apply=apply)

    run = make(make_small("mlp"))
    monkeypatch.setattr(portable.models, "make_model", make_counting)
    assert "format=stablehlo does not take this network: " in refuse(run, tmp_path / "new")


def test_onnx_runtime_has_no_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setitem(portable.FORMS, "onnx", portable.FORMS["onnx"]._replace(needs=()))
    said = refuse(make(make_small("mlp", dtype="bfloat16")), tmp_path / "new", "onnx")
    assert said.startswith("format=onnx: ONNX Runtime has no convolution in bfloat16; try ")


@pytest.mark.slow
def test_bits_fewer_than_float32_are_allowed_to_be_rounded(tmp_path):
    run = make(make_small("resnet20", dtype="bfloat16"), COLOUR)
    assert export.find_allowed(run.config) == export.ROUNDED
    assert export.find_allowed(make_small("resnet20")) == export.EXACT
    exported = jax.export.deserialize(
        bytearray(portable.convert(run.config, run.network, "stablehlo"))
    )
    images = export.make_images(run.input)
    off = np.abs(np.asarray(exported.call(images)) - run.predict(images)).max()
    assert 0 < off < export.ROUNDED


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(0.0, 255.0, "uint8"), (0.0, 16.0, "uint8"), (0.0, 1.0, "float32"), (-2.0, 2.0, "float32"),
     (0.5, 9.0, "float32"), (0.0, 999.0, "float32")],
)  # fmt: skip
def test_weights_of_before_say_what_their_images_were(low, high, dtype):
    pixels = Pixels(np.zeros(1), np.ones(1), low, high)
    assert portable.stored_dtype(Input(GREY, 10, pixels)) == np.dtype(dtype)
