"""Tests of exposure_assets.automation."""
