"""The studies, one file a claim or close family of claims; each STUDY is data."""

from cnnjax.study import Study
from experiments.claims import padding, pooling, pooling_padding

STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY for module in (pooling_padding, pooling, padding)
}
DEFAULT = pooling_padding.STUDY.name
