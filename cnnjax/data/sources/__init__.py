"""How each kind of data is opened and checked: TFDS, folders, arrays, files of MNIST's format."""
