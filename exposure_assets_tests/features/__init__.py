"""Tests of the package `features`."""
