"""Errors of reading files that are damaged, endless or not the data set's own."""

from planted import Planted

FILES = "tests/datasets/test_data_files.py::"
BELIEVED = f"{FILES}test_what_only_a_damaged_file_says_is_not_believed"
PLANTED = [
    Planted(
        "rows of overflow are counted only before the last event",
        "datasets/nmnist.py",
        "(seconds := 1e-6 * WRAP * np.count_nonzero(wraps))",
        "(seconds := 1e-6 * WRAP * np.count_nonzero(wraps[: np.flatnonzero(~wraps)[-1]]))",
        f"{BELIEVED}[wraps at the end]",
    ),
    Planted(
        "bytes that a header does not know of are left out",
        "datasets/dvs_gesture.py",
        "(actual := file.stat().st_size - start) != (stated",
        "(actual := file.stat().st_size - start) < (stated",
        f"{BELIEVED}[a header of fewer]",
    ),
    Planted(
        "as many spikes as a damaged file says",
        "datasets/events/speech.py",
        "MOST, SPIKES = 10**6, 10**6",
        "MOST, SPIKES = 10**6, 10**10",
        f"{BELIEVED}[4,294,967,295 spikes]",
    ),
    Planted(
        "numbers of other files, which no fingerprint knows",
        "datasets/events/speech.py",
        "if node.is_virtual or node.external:",
        "if node.is_virtual:",
        f"{BELIEVED}[numbers of another file]",
    ),
    Planted(
        "links out of a file are followed",
        "datasets/events/speech.py",
        "if not isinstance(link, h5.HardLink):",
        "if isinstance(link, h5.SoftLink):",
        f"{BELIEVED}[a link to another file]",
    ),
    Planted(
        "chunks of any size",
        "datasets/events/speech.py",
        " or prod(node.chunks or (1,)) * size > 2**26:",
        ":",
        f"{BELIEVED}[chunks of 2 GB]",
    ),
    Planted(
        "the length of the first row of a chunk for all",
        "datasets/events/speech.py",
        "file.seek(start + within * entry)",
        "file.seek(start)",
        f"{BELIEVED}[4,294,967,295 spikes]",
    ),
    Planted(
        "files of any size",
        "datasets/events/files.py",
        "    if status.st_size > most:\n",
        "    if False:\n",
        f"{BELIEVED}[holes (nmnist)]",
    ),
    Planted(
        "a marker may hold anything",
        "datasets/events/availability.py",
        'if not written["stand_in"].isprintable() or ',
        "if ",
        f"{FILES}test_a_marker_that_no_maker_writes_is_a_line[two lines]",
    ),
    Planted(
        "folders behind links do not count",
        "datasets/events/fingerprint.py",
        "os.walk(folder, followlinks=True)",
        "os.walk(folder)",
        f"{FILES}test_files_replaced_behind_a_link_are_another_measurement",
    ),
]
