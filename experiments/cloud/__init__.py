"""What --engine=cloud writes: a script, or SkyPilot's YAML, by which a person rents TPUs.

Nothing here rents, connects or imports a cloud's SDK. JAX is not imported either.
"""
