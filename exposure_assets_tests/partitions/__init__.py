"""Tests of the partitions: which days and experiments there are, and which of them a partition is computed from."""
