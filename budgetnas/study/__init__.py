"""A study on disk: what was asked, what defines it, its folder, its storage, and its trials.

Worker processes and `--help` start without Optuna, so what needs it is beside the rest:
`budgetnas.study.storage`, `budgetnas.study.begun` and `budgetnas.study.trial_record`. What may be
asked of commands, whose classes are many, is in `budgetnas.study.options`.
"""

from budgetnas.study._config import (
    About,
    DataFacts,
    StudyConfig,
    explain_version,
    require_same,
    require_same_search,
    search_command,
    write_files,
)
from budgetnas.study._file import AskedRun, StudyFile, asked_run, find_file
from budgetnas.study._findings import (
    LEAST_ARCHS,
    PUBLISHED,
    SEARCHES_BY,
    Compared,
    Comparison,
    Estimate,
    Fidelity,
    Luck,
    Part,
    Row,
)
from budgetnas.study._network import Network
from budgetnas.study._place import (
    STUDIES,
    asks,
    budget_needed,
    config_path,
    find_study,
    held,
    known_studies,
    study_folder,
    study_name,
)
from budgetnas.study._tables import Quick
