"""What data sets that are made here say of themselves."""

import tensorflow_datasets as tfds


class EmbeddedInfo(tfds.core.DatasetInfo):
    """As TFDS has it, but for a look into its bucket, which has none of these.

    Each look would leave an empty folder among the temporary files of this machine.
    """

    def initialize_from_bucket(self) -> None:
        """Does nothing."""
