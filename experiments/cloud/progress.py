"""A short text that changes when a store has a new record or checkpoint.

python -m experiments.cloud.progress gs://BUCKET/runs
"""

import hashlib
import sys


def describe(url: str) -> str:
    """How many runs are recorded in a store, and a hash of what is recorded and in training."""
    import fsspec

    fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    try:
        records = fs.ls(f"{root}/records", detail=False)
    except FileNotFoundError:
        records = []
    found = sorted([*records, *fs.find(f"{root}/checkpoints")])
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()[:12]
    return f"{len(records)} recorded, {digest}"


if __name__ == "__main__":
    print(describe(sys.argv[1]))
