"""The PostgreSQL server of the resources' tests, for warehouses whose ledger lies in it.

What is tested on it stands in the tests.
"""

from exposure_assets_tests.resources.conftest import postgres_server, warehouse_url

__all__ = ["postgres_server", "warehouse_url"]
