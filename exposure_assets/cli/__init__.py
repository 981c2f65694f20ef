"""The command line. Commands are thin: they read options, call the modules below and show what came of it."""

from exposure_assets.cli.app import app, main

__all__ = ["app", "main"]
