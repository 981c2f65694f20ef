"""Reports: tables and plots out of finished tables. What the tables hold is computed in the transforms."""
