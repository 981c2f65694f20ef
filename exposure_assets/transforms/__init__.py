"""Pure Polars: how rows become tables. No I/O, no Dagster, no clock."""
