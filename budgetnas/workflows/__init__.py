"""What the commands do: one file a verb; `begin` and `work` are what those that train share.

What may be asked is in `budgetnas.workflows.options`, which `--help` reads without torch. Nothing
is exported here, so that a command imports its own verb only.
"""
