"""Benchmarks against other frameworks, and where the time of a step goes."""
