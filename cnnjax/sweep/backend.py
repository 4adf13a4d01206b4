"""What JAX runs on and under which settings. Imports JAX when it is called, not before."""

import contextlib
import enum
import functools
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from cnnjax.config.knobs import ConfigError
from cnnjax.records import atomic, origin
from cnnjax.sweep import compiled

# What a shell may set and a script sets back: its numbers follow from its flags (the precision of
# a run from --dtype and --precision, its draws from --seed), and our code keeps JAX's own rules.
PINNED: dict[str, Any] = {
    "jax_enable_x64": False,
    "jax_default_dtype_bits": None,
    "jax_default_matmul_precision": None,
    "jax_default_prng_impl": "threefry2x32",
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_random_seed_offset": 0,
    "jax_threefry_partitionable": True,
}
# What no run can be under: programs are compiled whole, and data are copied to the devices.
REFUSED = {
    "jax_disable_jit": (True,),
    "jax_no_tracing": (True,),
    "jax_no_execution": (True,),
    **{
        f"jax_transfer_guard{direction}": ("disallow", "disallow_explicit")
        for direction in ("", "_host_to_device", "_device_to_device", "_device_to_host")
    },
}
# Settings that change no number, by the beginnings of their names: what is logged, checked, cached,
# dumped or exported, how processes find each other, which devices there are. Any other counts.
HARMLESS = tuple(
    """jax2tf_ jax_array_garbage jax_backend_target jax_captured_ jax_check_ jax_compilation_cache
    jax_compiler_detailed_logging jax_cpu_ jax_cross_host jax_cuda_visible jax_debug_
    jax_default_device jax_disable_bwd_checks jax_disable_vmap_shmap_error jax_disallow_mesh
    jax_distributed jax_dump jax_enable_checks jax_enable_compilation_cache jax_enable_preemption
    jax_enable_recoverability jax_error_checking jax_experimental_unsafe jax_explain jax_export
    jax_force_dcn jax_hlo_source jax_include_ jax_legacy_prng jax_log jax_mock jax_mtls
    jax_mutable_array_checks jax_num_cpu_devices jax_numpy_rank_promotion jax_oneapi_visible
    jax_persistent_cache jax_pgle_ jax_pjrt_client jax_platform jax_pprint jax_raise_persistent
    jax_remove_custom jax_rocm_visible jax_send_traceback jax_serialization jax_share_binary
    jax_sort_devices jax_source jax_thread_guard jax_trace jax_transfer_guard jax_xla_backend
    jax_xla_profile mock_""".split()
)
# Flags of XLA that change no number; all others are part of the address.
HARMLESS_FLAGS = re.compile(
    "--xla_(dump|force_host_platform_device_count|hlo_profile|gpu_cuda_data_dir|.*cache_(dir|mode)"
    "|.*sdc_checker)"
)
# Variables that choose the devices.
CHOOSING = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_DEFAULT_DEVICE", "CUDA_VISIBLE_DEVICES")
# Variables that libraries below XLA read and that change numbers.
VARIABLES = ("LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG")
# Their arithmetic, their random streams, their pixels.
NUMERIC_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "pillow", "grain")
# Instructions for arithmetic, as LLVM names them on x86, ARM, RISC-V.
ARITHMETIC = re.compile("s?sse|avx|fma|f16c|amx|prefer|neon|fp|fullfp16|bf16|i8mm|dotprod|sv|zv")


def count_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def configure_jax(cache_dir: pathlib.Path | None = None) -> None:
    """As many CPU devices as cores, the compilation cache on disk, and settings that are ours.

    Call before anything uses JAX: afterwards its devices stay as they are, with a warning. Numbers
    follow from a Config alone: `PINNED` settings are set back; others that the environment
    configures are left as they are. Raises ConfigError where JAX cannot start, or not as the
    environment wants it.
    """
    try:
        import jax
    except ValueError as error:  # a variable that JAX cannot read
        raise ConfigError(f"JAX does not start: {error}; unset that variable") from None
    import platformdirs

    check_flags()
    for name, values in REFUSED.items():
        value = jax.config.values.get(name)
        if value in values:
            raise ConfigError(f"{name.upper()}={value}: nothing can be trained so; unset it")
    for name, value in PINNED.items():
        if name in jax.config.values:
            jax.config.update(name, value)
    if "--xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        if jax.config.values["jax_num_cpu_devices"] < 1:
            _take_cores(jax.config)
    if jax.config.values["jax_compilation_cache_dir"] is None:
        own = pathlib.Path(platformdirs.user_cache_dir("cnnjax")) / "xla"
        directory = cache_dir or atomic.find_writable(own)
        jax.config.update("jax_compilation_cache_dir", os.fspath(atomic.as_utf8(directory)))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    compiled.mend_cache()
    try:
        jax.device_put(0.0)  # as the first that starts the devices
    except Exception as error:  # each release and each platform has its own for this
        asked = [f"{name}={os.environ[name]}" for name in CHOOSING if os.environ.get(name)]
        reason = (str(error).strip().splitlines() or ["there is no such device here"])[0]
        raise ConfigError(
            f"{' '.join(asked) or 'JAX does not start'}: {reason}; unset it, or give cpu"
        ) from None


_said: list[int] = []  # once a process: each call that sets a filter makes `warnings` forget


def _take_cores(settings: Any) -> None:
    try:
        settings.update("jax_num_cpu_devices", count_cores())
    except RuntimeError:  # JAX was used before, as in a notebook
        import jax

        there = len(jax.local_devices())
        if jax.default_backend() == "cpu" and there < count_cores() and not _said:
            _said.append(there)
            warnings.warn(
                f"JAX was used before: it keeps the devices that it has ({there}, of"
                f" {count_cores()} cores); more train at once where cnnjax is called first",
                stacklevel=3,
            )


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Within, JAX is as `configure_jax` makes it; then its settings are again what they were.

    For a process that uses JAX for other things too: numbers follow from a Config alone, and those
    of others are as they want them.
    """
    import jax

    before = {name: jax.config.values[name] for name in PINNED if name in jax.config.values}
    configure_jax()
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def check_flags() -> None:
    """Raises ConfigError where XLA does not know its flags: it would end the process."""
    flags = os.environ.get("XLA_FLAGS")
    if flags and (reason := _try_flags(flags)):
        raise ConfigError(f"XLA_FLAGS={flags}: {reason}; correct or unset it")


@functools.cache  # a process of its own takes seconds, and a notebook asks at every call
def _try_flags(flags: str) -> str:
    """What XLA says against its flags; empty where it starts."""
    child = subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}, capture_output=True,
        text=True,
    )  # fmt: skip
    if not child.returncode:
        return ""
    return (child.stderr.strip().splitlines() or ["XLA ends"])[-1].rpartition("] ")[2]


def describe() -> dict[str, Any]:
    """Those fields of an `Origin` that machine, environment and installed packages decide."""
    import jax

    device = jax.local_devices()[0]
    on_cpu = device.platform == "cpu"
    cpu, features = find_cpu() if on_cpu else (None, None)
    return {
        "platform": device.platform,
        "device_kind": device.device_kind,
        "runtime": device.client.platform_version,
        "cpu": cpu,
        "cpu_features": features,
        "cpu_threads": count_threads() if on_cpu else None,
        "settings": list_settings(),
        "flags": list_flags(),
        "versions": list_versions(on_cpu),
    }


def count_threads() -> int:
    """The threads among which XLA divides the work of a CPU."""
    asked = os.environ.get("NPROC", "")
    return max(count_cores(), int(asked) if asked.isdigit() else 0)


def list_settings() -> dict[str, Any]:
    """JAX's settings that may change a number and are not off, as plain values."""
    import jax

    found = {}
    for name, value in sorted(jax.config.values.items()):
        if isinstance(value, enum.Enum):
            value = value.name.lower()
        if value and not name.startswith(HARMLESS):
            found[name] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return found


def list_flags() -> dict[str, str]:
    """Flags of XLA, and variables of libraries below it, that may change a number."""
    text = os.environ.get("XLA_FLAGS", "")
    if text and not text.lstrip().startswith("--"):  # XLA reads such a file
        text = pathlib.Path(text.strip()).read_text(encoding="utf-8")
    flags = [flag for flag in text.split() if not HARMLESS_FLAGS.match(flag)]
    found = {name: value or "true" for name, _, value in (f.partition("=") for f in sorted(flags))}
    return found | {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


def list_versions(on_cpu: bool) -> dict[str, str]:
    """Versions of the packages that change numbers; an accelerator's own libraries are some."""
    found = {package: importlib.metadata.version(package) for package in NUMERIC_PACKAGES}
    if on_cpu:
        return found
    installed = {own.name.lower(): own.version for own in importlib.metadata.distributions()}
    own = (name for name in sorted(installed) if origin.ACCELERATOR.match(name))
    return found | {name: installed[name] for name in own}


@functools.cache
def find_cpu() -> tuple[str, list[str]]:
    """The processor that XLA compiles for and its instructions for arithmetic, as XLA says.

    Read from a compiled program (protocol buffers: fields 2 and 3 are the processor and its
    features); what the operating system says where that has another form.
    """
    import jax
    from jax.experimental import serialize_executable

    cpu = jax.local_devices(backend="cpu")[0]
    with jax.default_device(cpu):
        compiled = jax.jit(lambda x: x + 1).lower(jax.ShapeDtypeStruct((), "float32")).compile()
    payload = serialize_executable.serialize(compiled)[0]
    found = re.search(rb"\x12[\x01-\x40]([\w.+-]+)\x1a([\x80-\xff]?)([\x00-\x7f])(?=[+-])", payload)
    if found is None:
        return _ask_system()
    low, high = found[2], found[3]
    length = (low[0] & 0x7F) + (high[0] << 7) if low else high[0]
    features = payload[found.end() : found.end() + length].decode("ascii", "replace").split(",")
    return found[1].decode(), _keep_arithmetic(name[1:] for name in features if name[0] == "+")


def _ask_system() -> tuple[str, list[str]]:
    import platform

    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    lines = dict(re.findall(r"^(\S[^\t:]*)\s*: (.*)$", text, re.MULTILINE))
    name = lines.get("model name") or platform.processor() or platform.machine()
    return name, _keep_arithmetic((lines.get("flags") or lines.get("Features") or "").split())


def _keep_arithmetic(features: Iterable[str]) -> list[str]:
    return sorted(name for name in features if ARITHMETIC.match(name))
