"""Tests of the assets, beside those of the whole pipeline."""
