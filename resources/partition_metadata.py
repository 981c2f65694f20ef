"""Telling Dagster something about each partition of a run: numbers that its pages plot over the partitions.

Which numbers these are is said by whoever computes them.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.execution.context.metadata_logging import AssetMetadataHandle, OutputMetadataAccumulator
from dagster._core.execution.context.system import StepExecutionContext


def describe_partitions(
    step: StepExecutionContext, asset: dg.AssetKey, metadata: Mapping[str, Mapping[str, Any]]
) -> None:
    """Add metadata to the materialisations of partitions, by their keys, before the asset's output is handled.

    What `add_asset_metadata` does for one partition, for all at once: that method lists every partition of the
    run, and copies what was added before, each time it is called, 10 ms and more.
    """
    known = step._metadata_accumulator.per_output_metadata
    handles = {AssetMetadataHandle(asset_key=asset, partition_key=key): key for key in metadata}
    added = {handle: {**known.get(handle, {}), **metadata[key]} for handle, key in handles.items()}
    step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata={**known, **added})
