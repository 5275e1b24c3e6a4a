"""Errors of record files: what is let through, lost, repaired or read too slowly."""

from planted import Planted

RECORD, LOAD = "tests/bench/records/test_record.py::", "tests/bench/records/test_load_of_records.py::"
BAD = f"{RECORD}test_a_bad_line_is_named_by_its_number_and_its_fault"

PLANTED = [
    Planted(
        "true is a whole number",
        "bench/records/schema.py",
        '    "integer": (int,),',
        '    "integer": (int, bool),',
        BAD,
    ),
    Planted(
        "a glance takes true for a whole number",
        "bench/records/schema.py",
        'f"type(x) is int and {within}"',
        'f"isinstance(x, int) and {within}"',
        BAD,
    ),
    Planted(
        "a limit that is not excluded",
        "bench/records/schema.py",
        "return math.nextafter(above, math.inf), high,",
        "return above, high,",
        BAD,
    ),
    Planted(
        "a glance at the first sample only",
        "bench/records/schema.py",
        "low <= min(x) and max(x) <= high",
        "low <= x[0] <= high",
        f"{RECORD}test_no_line_is_written_that_no_reader_takes",
    ),
    Planted(
        "a line end after a text is overlooked",
        "bench/records/schema.py",
        "re.compile(pattern[1:-1]).fullmatch",
        "re.compile(pattern).search",
        BAD,
    ),
    Planted(
        "names of further fields are not looked at",
        "bench/records/schema.py",
        "if name not in own and (problem := named(name)):",
        "if False and (problem := named(name)):",
        BAD,
    ),
    Planted(
        "whatever Python calls a line end ends a line",
        "bench/records/record.py",
        "for number, raw in enumerate(raws(file), start=1):",
        'for number, raw in enumerate(map(str.encode, file.read().decode(errors="replace").splitlines()), 1):',
        f"{RECORD}test_only_a_line_feed_ends_a_line",
    ),
    Planted(
        "a mark of byte order is part of a line",
        "bench/records/record.py",
        '.removeprefix("\\ufeff")',
        "",
        f"{RECORD}test_marks_of_byte_order_are_skipped",
    ),
    Planted(
        "nan is a number",
        "bench/records/record.py",
        "json.JSONDecoder(parse_constant=no_number)",
        "json.JSONDecoder()",
        BAD,
    ),
    Planted(
        "a torn line gets an end and stays",
        "bench/records/record.py",
        "if alone and tail and torn(tail):",
        "if False:",
        f"{RECORD}test_a_torn_last_line_is_named_once_and_repaired",
    ),
    Planted(
        "a whole line that lacks its end is cut off",
        "bench/records/record.py",
        '        return tail.startswith(b\'{"\') or tail == b"{"\n    return False',
        '        return tail.startswith(b\'{"\') or tail == b"{"\n    return True',
        f"{RECORD}test_an_append_broken_at_a_byte_costs_only_itself",
    ),
    Planted(
        "half a line is left where the disk is full",
        "bench/records/record.py",
        "            os.ftruncate(file, end)\n",
        "",
        f"{RECORD}test_a_full_disk_leaves_the_file_as_it_was",
    ),
    Planted(
        "the folder is not synced",
        "bench/records/record.py",
        "            synced(folder)\n",
        "            pass\n",
        f"{RECORD}test_a_new_file_and_its_folders_are_on_disk",
    ),
    Planted(
        "a warning before the line is on disk",
        "bench/records/record.py",
        "        end, removed = mended(file, alone)\n",
        "        end, removed = mended(file, alone)\n        told(path, removed)\n",
        f"{RECORD}test_a_warning_that_is_an_error_loses_no_record",
    ),
    Planted(
        "whatever is at a path is opened",
        "bench/files/regular.py",
        "    if stat.S_ISREG(found.st_mode):\n        return",
        "    if found:\n        return",
        f"{RECORD}test_records_are_read_from_and_written_to_regular_files_only",
    ),
    Planted(
        "the first record of a case is kept",
        "bench/records/record.py",
        'found.pop(key := (*same, record["data"].get("label")), None)',
        'if (key := (*same, record["data"].get("label"))) in found:\n            return',
        f"{RECORD}test_the_newest_records_are_those_that_nothing_replaces",
    ),
    Planted(
        "the whole file is read for an append",
        "bench/records/record.py",
        'os.pread(file, 1, size - 1) == b"\\n"',
        'os.pread(file, size, 0).endswith(b"\\n")',
        f"{LOAD}test_an_append_takes_no_longer_for_a_long_file",
    ),
    Planted(
        "sources are hashed for every case",
        "bench/measure/runner.py",
        "shas.get(deciding) or ",
        "",
        f"{LOAD}test_a_plan_of_five_thousand_cases_goes_on_where_it_was",
    ),
    Planted(
        "a hash of sources serves another cell",
        "bench/measure/runner.py",
        '"dataset", "cell", "readout"',
        '"dataset", "readout"',
        f"{LOAD}test_what_is_finished_is_found_by_the_sources_of_its_own_kind",
    ),
]
