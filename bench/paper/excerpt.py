"""Takes a function out of the text of a module, with all that it uses there: what its results depend on."""

import ast
from collections.abc import Iterator


def used(source: str, start: str) -> str:
    """Return the text of a function and of all that it uses at the top of its module, imports among it."""
    tree, lines = ast.parse(source), source.splitlines()
    places: dict[str, ast.stmt] = {}
    for node in tree.body:
        for name in names_bound(node):
            places[name] = node
    taken: dict[int, ast.stmt] = {}
    waiting = [places[start]]
    while waiting:
        node = waiting.pop()
        if node.lineno in taken:
            continue
        taken[node.lineno] = node
        waiting += [places[name] for name in names_read(node) if name in places]
    return "\n".join("\n".join(lines[first_line(node) - 1 : node.end_lineno]) for _, node in sorted(taken.items()))


def names_read(node: ast.AST) -> Iterator[str]:
    """Yield the names in a statement, except those of annotations, which compute nothing."""
    if isinstance(node, ast.Name):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST):
                    yield from names_read(each)


def first_line(node: ast.stmt) -> int:
    """Return the number of a statement's first line, that of its first decorator if it has one."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])


def names_bound(node: ast.stmt) -> list[str]:
    """List the names that a statement at the top of a module binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
