"""--keep: the weights of a finished run stay, and open where there are other devices."""

import json

import pytest

SMALL = (
    "--widths=4", "--hidden=8", "--train_examples=48", "--batch_size=16", "--steps=6",
    "--pool_every=1",
)  # fmt: skip
# On one device, for JAX was used before.
LOAD = """
import sys, warnings, jax
jax.numpy.ones(2).sum()
warnings.simplefilter("ignore")
import cnnjax
own = cnnjax.load_run(sys.argv[1])
print(len(jax.devices()), own.config.pool, own.predict([[[[0]] * 8] * 8]).shape)
"""


@pytest.mark.slow
def test_a_run_keeps_its_weights_unless_told_not_to(call, tmp_path):
    train = ("-m", "experiments.train", *SMALL, f"--workdir={tmp_path}/one")
    ran = call(*train, "--keep=none")
    assert ran.returncode == 0, ran.stderr
    assert not (tmp_path / "one" / "final.safetensors").exists()
    refused = call("-c", LOAD, tmp_path / "one")
    assert "its command with --keep=final writes it" in refused.stderr
    before = (tmp_path / "one" / "result.json").read_bytes()
    assert call(*train).returncode == 0
    assert (tmp_path / "one" / "result.json").read_bytes() == before
    assert call("-c", LOAD, tmp_path / "one").stdout.split() == ["1", "max", "(1,", "10)"]


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_for_users")
def test_a_sweep_keeps_them_beside_its_records_where_it_is_asked_to(call, tmp_path):
    sweep = ("-m", "experiments.ablate", "--grid=pool=max,avg", "--seeds=1", *SMALL)
    ran = call(*sweep, f"--runs={tmp_path}")
    assert ran.returncode == 0, ran.stderr
    folders = sorted((tmp_path / "records").glob("*/"))
    assert len(folders) == 2
    assert not any((folder / "final.safetensors").exists() for folder in folders)
    scores = [json.loads((folder / "record.json").read_text())["scores"] for folder in folders]
    ran = call(*sweep, f"--runs={tmp_path}", "--keep=final")
    assert "2 lanes trained, 0 read" in ran.stdout, ran.stderr
    assert scores == [
        json.loads((folder / "record.json").read_text())["scores"] for folder in folders
    ]
    assert "0 lanes trained, 2 read" in call(*sweep, f"--runs={tmp_path}", "--keep=final").stdout
    assert call("-c", LOAD, folders[0]).stdout.split()[-2:] == ["(1,", "10)"]
