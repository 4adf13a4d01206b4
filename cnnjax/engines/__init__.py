"""Where groups of lanes run."""
