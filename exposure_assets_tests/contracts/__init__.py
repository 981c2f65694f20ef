"""Tests of the contracts: what a valid table or catalog is. Nothing here reads a file of data."""
