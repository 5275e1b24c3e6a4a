"""Errors of what is kept between runs: hashes, owners, places and what is left over."""

from planted import Planted

CACHES = "tests/bench/files/test_caches.py::"
PLANTED = [
    Planted(
        "a kept file's hash is not compared",
        "bench/files/diskcache.py",
        " or seal != seal_of(file, path.name, status.st_size - SEAL):",
        ":",
        f"{CACHES}test_no_flip_is_silent",
    ),
    Planted(
        "a hash of all but the last bytes",
        "bench/files/diskcache.py",
        "    while size > 0 and",
        "    while size > 64 and",
        f"{CACHES}test_the_hash_is_of_the_name_and_of_all_before_it",
    ),
    Planted(
        "a kept file is believed under any name",
        "bench/files/diskcache.py",
        'hashlib.sha256(os.fsencode(name) + b"\\0")',
        'hashlib.sha256(b"\\0")',
        f"{CACHES}test_a_recording_under_another_number_is_not_read",
    ),
    Planted(
        "a group may write a folder that is believed",
        "bench/files/cache_folder.py",
        "(stat.S_IWGRP | stat.S_IWOTH)",
        "stat.S_IWOTH",
        f"{CACHES}test_a_folder_that_cannot_be_trusted_gives_way_to_a_private_one",
    ),
    Planted(
        "a file that others may write is believed",
        "bench/files/diskcache.py",
        "        if reason := cache_folder.owner_problem(status):\n            raise",
        "        if reason := None:\n            raise",
        f"{CACHES}test_a_foreign_file_is_made_anew_in_one_line[shared]",
    ),
    Planted(
        "a file of holes is hashed to its end",
        "bench/files/diskcache.py",
        'not re.fullmatch(rb"[0-9a-f]{%d}" % SEAL, seal) or ',
        "",
        f"{CACHES}test_a_foreign_file_is_made_anew_in_one_line[holes]",
    ),
    Planted(
        "folders as the user's mask has them",
        "bench/files/cache_folder.py",
        "path.mkdir(mode=0o700, exist_ok=True)",
        "path.mkdir(exist_ok=True)",
        f"{CACHES}test_folders_are_made_for_the_user_alone",
    ),
    Planted(
        "the root of all folders is a home",
        "bench/files/cache_folder.py",
        ' and there != Path("/")',
        "",
        f"{CACHES}test_without_a_home_nothing_is_kept",
    ),
    Planted(
        "a home of the folder one stands in",
        "bench/files/cache_folder.py",
        "there.is_absolute() and ",
        "",
        f"{CACHES}test_without_a_home_nothing_is_kept",
    ),
    Planted(
        "a private folder stays",
        "bench/files/cache_folder.py",
        "    atexit.register(remove)\n",
        "",
        f"{CACHES}test_a_private_folder_is_gone_when_its_process_is_or_the_next_begins",
    ),
    Planted(
        "another's private folder is taken for left",
        "bench/files/cache_folder.py",
        "            if free and left.lstat()",
        "            if left.lstat()",
        f"{CACHES}test_a_private_folder_is_gone_when_its_process_is_or_the_next_begins",
    ),
    Planted(
        "half a file stays",
        "bench/files/diskcache.py",
        "        Path(name).unlink(missing_ok=True)  # it may have its final name already\n",
        "",
        f"{CACHES}test_a_failed_write_leaves_nothing",
    ),
    Planted(
        "what a child has to say is lost",
        "bench/measure/runner.py",
        '    cache_folder.pass_on(solved.pop("notes", None))\n',
        '    solved.pop("notes", None)\n',
        f"{CACHES}test_what_a_child_has_to_say_is_said_once_by_its_parent",
    ),
    Planted(
        "what a run keeps is where the child's own files go with it",
        "bench/measure/runner.py",
        '"folder": str(folder)}',
        '"folder": own}',
        f"{CACHES}test_the_run_s_own_folder_outlives_the_child_that_solved_a_problem",
    ),
    Planted(
        "a full cache ends a measurement",
        "bench/measure/problem.py",
        "        if len(paths) == 1:\n",
        "        if paths:\n",
        f"{CACHES}test_a_full_folder_gives_way_to_the_run_s_own_in_one_line",
    ),
]
