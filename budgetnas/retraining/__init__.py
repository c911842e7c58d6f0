"""One architecture trained in full: checkpoints, the run's folder, the test set opened once.

(The room is not called `retrain`, because `budgetnas.retrain` is the function.)
"""
