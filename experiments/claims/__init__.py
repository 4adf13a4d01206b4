"""The studies, one file a claim or close family of claims; each is data."""

from cnnjax.study.claims import Study
from experiments.claims import (
    activation,
    connectivity,
    convolution,
    filters,
    heads,
    invariance,
    mnist1d,
    padding,
    pooling,
    pooling_padding,
    position,
    sharing,
    stride,
    training,
)

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        pooling_padding.STUDY,
        connectivity.STUDY,
        stride.STUDY,
        padding.STUDY,
        position.STUDY,
        sharing.STUDY,
        convolution.STUDY,
        mnist1d.STUDY,
        filters.STUDY,
        activation.NONLINEARITY,
        activation.RELU_BEST,
        pooling.STUDY,
        invariance.NOISE,
        invariance.INVARIANCE,
        heads.PROBABILITIES,
        heads.HEAD,
        heads.CORRELATION,
        training.INITIAL_LOSS,
        training.LEARNING_RATE,
        training.BATCHES,
    )
}
DEFAULT = pooling_padding.STUDY.name
# The default study tries part of two others: `all` runs those.
ALL = tuple(name for name in STUDIES if name != DEFAULT)
