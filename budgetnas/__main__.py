"""``python -m budgetnas`` is the program ``budgetnas``."""

from budgetnas.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
