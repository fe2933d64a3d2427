"""Benchmarks: run by `make bench`, one module per subject, each a function `run(server) -> list[Row]`.

Timings live here and nowhere else: no test asserts on a clock. Each figure comes with its peer of the same run.
"""
