"""Every statement of the article, in its order; those that no study tries say why."""

from typing import NamedTuple


class Statement(NamedTuple):
    """A statement without a study of its own."""

    id: str
    statement: str
    kind: str  # "cited" or "not testable here"
    finding: str


ORDER = (
    "imagenet-2012", "output-size", "channel-connectivity", "stride", "padding",
    "local-connectivity", "parameter-sharing", "with-without-convolution", "first-layer-edges",
    "depth-composes", "learned-filters", "nonlinearity", "relu-best", "relu-formula",
    "pool-shrinks", "max-beats-average", "max-suppresses-noise", "pool-invariance",
    "fc-probabilities", "fc-head", "fc-correlation", "training-iteration", "initial-loss",
    "learning-rate", "batches", "hyper-parameters", "visual-cortex", "other-uses",
)  # fmt: skip

OTHERS = (
    Statement(
        "imagenet-2012",
        "A CNN cut the ImageNet error from 26% to 15%.",
        "cited",
        "Krizhevsky et al. 2012: top-5 error 15.3% against 26.2% for the runner-up; the 15.3% is"
        " an ensemble with extra pre-training. Not re-run here.",
    ),
    Statement(
        "visual-cortex",
        "CNNs resemble the visual cortex.",
        "not testable here",
        "A statement on brains: no training run decides it.",
    ),
    Statement(
        "other-uses",
        "CNNs also serve video, recommendation and language.",
        "not testable here",
        "A statement on other fields, whose data and models are not part of this framework.",
    ),
)
