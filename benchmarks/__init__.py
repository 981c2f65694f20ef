"""Benchmarks: our path and its peers on the same simulated data, with equal answers; `python -m benchmarks`."""
