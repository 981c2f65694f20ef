"""The Dagster asset graph of exposure_assets: contracts, transforms, assets, checks and their command line."""
