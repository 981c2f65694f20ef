"""Tests of the reports: what a reader of a plot or table gets, and what it costs to keep."""
