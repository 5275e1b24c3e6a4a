"""Write the tables of docs/peers.md as Markdown: definitions, rules and ways. `drtrl-bench peers map` prints them.

The HTML report shows the first two, cell by cell.
"""

import re
from collections.abc import Callable, Iterable

from drtrl_bench.peers import environments, ways
from drtrl_bench.peers.definitions import DEFINITIONS, HERE, RULES

IMPORTABLE = re.compile(r"[\w.]+:\w+")
"""MODULE:NAME."""


def table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown; an empty cell is a dash."""
    lines = [list(headers), *map(list, rows)]
    texts = ["| " + " | ".join(cell or "-" for cell in line) + " |" for line in lines]
    return "\n".join([texts[0], "|" + "---|" * len(lines[0]), *texts[1:]])


def markdown(name: str) -> str:
    """Return one of `TABLES` in Markdown."""
    titles, *rows = TABLES[name]()
    return table(titles, rows)


def titles() -> list[str]:
    """Return the titles of the columns: this project, and each peer with its version."""
    return [HERE, *(f"{name} {environments.pins(name).version}" for name in ways.PEERS)]


def definitions() -> list[list[str]]:
    """Return what each library calls what, and how it differs; the first row has the titles."""
    columns = (HERE, *ways.PEERS)
    return [["", *titles()], *([name, *(row[column] for column in columns)] for name, row in DEFINITIONS.items())]


def rules() -> list[list[str]]:
    """Return which learning rules exist where; the first row has the titles."""

    def named(text: str) -> str:
        return f"`{text.partition(':')[2]}`" if IMPORTABLE.fullmatch(text) else text

    return [
        ["rule", *titles()],
        *(
            [rule, f"`{each.ours}`" if each.ours else "", *(named(each.names.get(peer, "")) for peer in ways.PEERS)]
            for rule, each in RULES.items()
        ),
    ]


def all_ways() -> list[list[str]]:
    """Return the ways of every peer: with what each is compared, in which cells, and what differs; titles first."""
    rows = [["way", "is", "compared with", "cells", "what differs"]]
    for name, peer in ways.PEERS.items():
        for way_name, way in peer.ways.items():
            differs = []
            for each in way.differences:
                where = " and ".join(f"`{word}`" for word in (each.cell, each.readout) if word)
                differs.append(f"{where}: {each.cause}" if where else each.cause)
            ours = ", ".join(f"`{algorithm}`" for algorithm in way.ours)
            cells = ", ".join(f"`{cell}`" for cell in way.cells)
            rows.append([f"{name} `{way_name}`", way.about, ours, cells, "; ".join(differs) or "nothing: agrees"])
    return rows


TABLES: dict[str, Callable[[], list[list[str]]]] = {"definitions": definitions, "rules": rules, "ways": all_ways}
"""The tables by the name that the command takes."""
