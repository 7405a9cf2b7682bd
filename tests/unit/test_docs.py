"""The worked example of docs/handlers.md runs."""

from loyalty.tests import ExpirePointsTests, PointsEarnedTests  # noqa: F401  (run here)
