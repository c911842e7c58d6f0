"""The search: where architectures come from, and the loop that draws, counts, prunes and trains.

(The room is not called `search`, because `budgetnas.search` is the function.)
"""
