"""Tables and plots out of finished tables, for people. Nothing is computed here that a table does not hold."""
