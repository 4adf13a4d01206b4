"""Claims that are mathematics: each is decided by a test, on every run of the test suite."""

from typing import NamedTuple


class KnownAnswer(NamedTuple):
    """A claim, what holds of it, and the test that would fail if that were wrong."""

    id: str
    statement: str
    outcome: str
    test: str


KNOWN_ANSWERS = (
    KnownAnswer(
        "output-size",
        "A kernel of size n on an image of size m gives a map of size m - n + 1.",
        "true for VALID padding, stride 1 and dilation 1 only",
        "tests/test_conv.py::test_output_size_follows_the_formula",
    ),
    KnownAnswer(
        "local-connectivity",
        "A neuron connected to a patch needs fewer parameters than one connected to the image.",
        "true",
        "tests/test_cost.py::test_sharing_cuts_parameters_and_not_computation",
    ),
    KnownAnswer(
        "parameter-sharing",
        "Sharing a kernel over all positions cuts parameters and computation.",
        "true of parameters, false of computation: the MACs are equal",
        "tests/test_cost.py::test_sharing_cuts_parameters_and_not_computation",
    ),
    KnownAnswer(
        "relu-formula", "ReLU is max(0, x).", "true", "tests/test_activation.py::test_formula"
    ),
    KnownAnswer(
        "pool-shrinks",
        "Pooling lowers the spatial size.",
        "true",
        "tests/test_pool.py::test_pooling_shrinks_the_map",
    ),
    KnownAnswer(
        "fc-probabilities",
        "The outputs of the last layer, through a softmax, are probabilities that sum to one.",
        "true of the sum; calibration is an experiment, not yet run",
        "tests/test_models.py::test_probabilities_sum_to_one_and_cool_down",
    ),
    KnownAnswer(
        "training-iteration",
        "An iteration is forward pass, loss, backward pass and weight update.",
        "true so far as tried: with the sign of the update turned, the loss rises",
        "tests/test_program.py::test_wrong_sign_of_the_update_raises_the_loss",
    ),
    KnownAnswer(
        "initial-loss",
        "Before training the loss is extremely high.",
        "false: it is about ln(number of classes), that of a uniform guess",
        "tests/test_program.py::test_loss_before_training_is_about_that_of_a_uniform_guess",
    ),
    KnownAnswer(
        "learning-rate",
        "Too high a learning rate fails to converge.",
        "true of a quadratic, exactly beyond 2 / largest eigenvalue; networks are not yet run",
        "tests/test_optim.py::test_gradient_descent_on_a_quadratic_diverges_just_beyond_its_bound",
    ),
)
