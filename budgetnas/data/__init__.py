"""Images: which are meant, how they are brought to one size, and the log of the test part.

What is here needs no torch, for code that only reads or describes a study. Images in memory are in
`budgetnas.data.images`, reading them is in `load`; `heldout` alone opens a test part.
"""

from budgetnas.data._source import (
    DATASETS,
    SET_ASIDE_SHARE,
    TEST_LOG,
    VALIDATION_SHARE,
    Background,
    DataSource,
    Depth,
    Fit,
    ImageFormat,
    Side,
    Stored,
    View,
    check_background,
    check_fit,
    count_openings,
    count_uses,
)
