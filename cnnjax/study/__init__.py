"""Claims as data, and what becomes of them: statistics, decisions, verdicts, plans.

It imports the rooms up to `measures`, and no JAX but for its plan: a verdict reaches no device.
"""
