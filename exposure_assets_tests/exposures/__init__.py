"""Tests of the answers to questions for exposures."""
