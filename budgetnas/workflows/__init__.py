"""What the commands do: one file a verb.

What may be asked is in `budgetnas.workflows.options`, which `--help` reads without torch.
"""
