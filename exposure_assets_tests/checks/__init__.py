"""Tests of the asset checks: real runs over a real warehouse, their results read back from a real instance."""
