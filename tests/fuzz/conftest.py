"""How much is tried: 40 inputs a test, or with HYPOTHESIS_PROFILE=thorough 10,000."""

import os

from hypothesis import HealthCheck, settings

COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("quick", COMMON, max_examples=40, derandomize=True)
settings.register_profile("thorough", COMMON, max_examples=10_000, database=None)

FUZZ = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
