"""The studies, one file a claim or close family of claims; each is data."""

from cnnjax.config.errors import ConfigError
from cnnjax.study import own
from cnnjax.study.claims import Study
from experiments.claims import (
    activation,
    connectivity,
    convolution,
    depth,
    edges,
    filters,
    heads,
    invariance,
    mnist1d,
    padding,
    pooling,
    pooling_padding,
    position,
    published,
    searched,
    sharing,
    stride,
    training,
    variance,
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
        edges.STUDY,
        depth.STUDY,
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
        searched.STUDY,
        variance.STUDY,
        published.ZHANG,
        published.ALL_CNN,
    )
}
DEFAULT = pooling_padding.STUDY.name
# The default study tries part of two others: `all` runs those. What is no statement of the article
# stands on no board.
OTHERS = (variance.STUDY, published.ZHANG, published.ALL_CNN)
ALL = tuple(name for name in STUDIES if name != DEFAULT and STUDIES[name] not in OTHERS)


def find_studies() -> dict[str, Study]:
    """The studies that there are, those from outside too. Raises ConfigError on a name of both."""
    for name, owned in own.STUDIES.items():
        if name in STUDIES:
            raise ConfigError(f"{owned.source}: a study {name} is there already: give another name")
    return {**STUDIES, **{name: owned.study for name, owned in own.STUDIES.items()}}
