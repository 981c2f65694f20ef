"""What the graph talks to: the catalog, the landing zone, staging, the warehouse and Dagster's own records.

Each module hands out a plain typed object; what is computed from it lives in `exposure_assets.transforms`.
"""
