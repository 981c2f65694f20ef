"""Tests of the benchmarks: the peers answer what we answer, and a wrong answer does not pass."""
