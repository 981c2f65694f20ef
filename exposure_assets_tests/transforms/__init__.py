"""Tests of the transforms: rows in, rows out, nothing on a disk."""
