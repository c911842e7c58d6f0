"""The benchmark: this engine beside the two loops that it has to beat."""

from budgetnas.bench._bench import bench, draw_pictures, measure
from budgetnas.bench._result import WAYS, BenchResult, Plan, Setup, Way, make_plan, times_as_long
from budgetnas.bench._usual import Pictures, usual_epochs
