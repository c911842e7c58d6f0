"""Which images were right: what is kept is what was measured, and damage is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from budgetnas.metric import pack, unpack


@given(npst.arrays(np.bool_, st.integers(0, 300)))
def test_what_is_packed_comes_back(right: np.ndarray) -> None:
    found = unpack(pack(right), len(right))
    assert found is not None
    assert found.tolist() == right.tolist()


@pytest.mark.parametrize("text", [None, 3, "", "?", "AAA", pack(np.ones(17, bool))])
def test_anything_else_is_not_known(text: object) -> None:
    assert unpack(text, 9) is None
