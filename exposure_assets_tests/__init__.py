"""Tests of exposure_assets, in the same tree as the code they judge."""
