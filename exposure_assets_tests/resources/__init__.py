"""Tests of the resources, against the real thing: files, databases, processes. No stand-ins belong here."""
