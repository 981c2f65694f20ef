"""Tests of the simulation: its files are read back by plain means and judged by plain Python."""
