"""What runs in a folder came to, to be compared with what they come to in peace."""

import hashlib
import json
import pathlib
from collections.abc import Mapping

BYTES = ("final.safetensors", "predictions.npz", "metrics.jsonl", "verdicts.json")  # as they are
VALUES = ("record.json", "result.json")  # but for times
TIMES = ("compile_seconds", "examples_per_second", "provenance", "sha256")  # no numbers of a run


def read_numbers(runs: pathlib.Path) -> dict[str, str]:
    """What each run in a folder came to, by its place there; times and dates are left out."""
    found = {}
    for path in sorted(runs.rglob("*")):
        name = str(path.relative_to(runs))
        if path.name in BYTES:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name in VALUES:
            value = json.loads(path.read_text(encoding="utf-8"))
            for part in (value, value.get("cost", {})):
                for time_of in TIMES:
                    part.pop(time_of, None)
            found[name] = json.dumps(value, sort_keys=True)
    return found


def compare(peace: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """How numbers differ from those of peace."""
    names = sorted(peace.keys() | found.keys())
    return [f"{name} differs" for name in names if peace.get(name) != found.get(name)]
