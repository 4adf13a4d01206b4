"""A compilation cache mends itself: what is damaged there is replaced, and read by the next run."""

import pathlib
import warnings

import jax
import pytest
from etils import epath

from cnnjax.sweep import compiled

HIT = "/jax/compilation_cache/cache_hits"


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What is warned of."""
    texts: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda text, *_, **__: texts.append(str(text)))
    return texts


@pytest.fixture
def compile_anew(said):
    """Compiles one program as another process would; gives the files of the cache that are its."""
    heard: list[str] = []

    def listen(event: str, **about) -> None:
        heard.append(event)

    def compile_it() -> tuple[list[pathlib.Path], bool]:
        """The entries, and whether one was read."""

        def of_this_test(x):
            return 3 * x + 1

        jax.clear_caches()
        heard.clear()
        assert float(jax.jit(of_this_test)(2.0)) == 7  # which compiles nothing else
        folder = pathlib.Path(jax.config.values["jax_compilation_cache_dir"])
        return list(folder.glob("jit_of_this_test-*-cache")), HIT in heard

    jax.monitoring.register_event_listener(listen)
    with warnings.catch_warnings():
        compiled.mend_cache()
        yield compile_it
    jax.monitoring.unregister_event_listener(listen)


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [flip, lambda content: content[:100], lambda content: b"", lambda content: b"no"]
)
def test_a_damaged_entry_is_replaced_and_the_next_run_reads_it(compile_anew, damage, said):
    (path,), _ = compile_anew()
    other = path.with_name("jit_of_this_test-of-another-machine-cache")
    other.write_bytes(path.read_bytes())
    try:
        assert compile_anew()[1]
        path.write_bytes(damage(path.read_bytes()))
        assert not compile_anew()[1]
        entries, is_read = compile_anew()
        assert {*entries} == {path, other} and is_read
    finally:
        other.unlink()
    assert not said


def test_an_entry_that_cannot_be_written_leaves_none_behind_and_is_said_once(
    compile_anew, monkeypatch, said
):
    (path,), _ = compile_anew()
    path.unlink()

    def fill(self, content):
        with open(self, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        for own in (pathlib.Path, epath.Path, type(epath.Path("."))):
            patch.setattr(own, "write_bytes", fill)
        assert compile_anew() == ([], False) == compile_anew()
    (text,) = said
    assert "compiled programs cannot be kept in " in text and "No space left on device" in text
    compile_anew()
    assert compile_anew()[1]
