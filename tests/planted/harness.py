"""Errors of the harness: cases, problems, meters, fidelity, records."""

from planted import Planted

PLANTED = [
    Planted(
        "overall agreement halved",
        "bench/fidelity.py",
        '"overall": together(true),',
        '"overall": {k: 0.5 * v if v else v for k, v in together(true).items()},',
        "tests/test_meters.py",
    ),
]
