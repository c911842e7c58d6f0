"""Images: where they come from, how they are split, and what is measured of them.

The test part has a room of its own, `budgetnas.data.heldout`.
"""

from budgetnas.data.source import DATASETS, DataSource

__all__ = ["DATASETS", "DataSource"]
