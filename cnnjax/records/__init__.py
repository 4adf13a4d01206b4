"""What a finished run leaves: its record, the address and origin of its numbers, whole files.

It imports `config`, and no JAX.
"""
