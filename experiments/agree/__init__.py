"""Whether this machine computes what another one did: the same bits, almost, or as it judges."""
