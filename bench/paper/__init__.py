"""The paper's experiments, reproduced: one module = one experiment, with its sizes, jobs, figures and verdicts.

`experiment.py` says what a module offers, `listing.py` lists them all, `runner.py` runs the jobs that are missing,
`records.py` keeps and reads their rows, `report.py` has the words of captions and verdicts, and `reproduction.py`
writes the table of verdicts. How to add one: docs/paper.md.
"""
