"""Draws docs/rooms.svg: the rooms of the package and what imports what, read from the imports.

python -m experiments.rooms
"""

import ast
import pathlib
import re
import sys
import textwrap
from collections.abc import Iterable
from html import escape

from cnnjax.records.provenance import read_imports

ROOT = pathlib.Path(__file__).parents[1]
SVG = ROOT / "docs" / "rooms.svg"
# Each imports only from those before it.
ROOMS = (
    "config", "records", "ops", "networks", "data", "measures", "study", "training", "sweep",
    "runs", "report", "api", "notebook", "experiments", "launch",
)  # fmt: skip
WIDTH, HEIGHT, GAP, ROW = 260, 56, 36, 82  # pixels of a box, between boxes, from floor to floor
# A module as a text, also the beginning of one in an f-string.
MODULE = re.compile(r"(cnnjax|experiments)(\.\w+)+\.?")
Corner = tuple[int, int]  # upper left, of a box


def list_files() -> list[pathlib.Path]:
    """The files that stand in a room: all Python but the tests and the package's own front."""
    found = [*ROOT.glob("cnnjax/**/*.py"), *ROOT.glob("experiments/**/*.py"), ROOT / "launch.py"]
    return sorted(path for path in found if path != ROOT / "cnnjax" / "__init__.py")


def room_of(module: str) -> str:
    """The room in which a module stands, such as networks for cnnjax.networks.cost."""
    return module.removeprefix("cnnjax.").split(".")[0]


def list_imports(path: pathlib.Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it; absolute, or ValueError."""
    found = set()
    for module, names in read_imports(path):
        found |= {f"cnnjax.{name}" for name in names} if module == "cnnjax" else {module}
    return {name for name in found if name.split(".")[0] in ("cnnjax", "experiments", "launch")}


def list_named(path: pathlib.Path) -> set[str]:
    """The modules of ours that a file has as texts, which it may import by name or only read."""
    texts = {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if MODULE.fullmatch(text)}


def list_arrows() -> dict[str, set[str]]:
    """The other rooms that each room imports."""
    arrows: dict[str, set[str]] = {}
    for path in list_files():
        own = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        arrows.setdefault(own, set()).update({room_of(m) for m in list_imports(path)} - {own})
    return arrows


def reduce(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows without those that a way over other rooms implies."""

    def reach(room: str) -> set[str]:
        return {far for near in arrows[room] for far in ({near} | reach(near))}

    return {
        room: {near for near in own if not any(near in reach(other) for other in own)}
        for room, own in arrows.items()
    }


def find_floors(arrows: dict[str, set[str]]) -> dict[str, int]:
    """The floor of each room: 0 where it imports no other, else one above the highest of those."""
    floors: dict[str, int] = {}
    for room in ROOMS:
        if room in arrows:
            floors[room] = 1 + max((floors[other] for other in arrows[room]), default=-1)
    return floors


def describe(room: str) -> str:
    """What lives in a room: the first line of its docstring, up to a colon."""
    for path in (
        ROOT / "cnnjax" / room / "__init__.py", ROOT / "cnnjax" / f"{room}.py",
        ROOT / room / "__init__.py", ROOT / f"{room}.py",
    ):  # fmt: skip
        if path.exists():
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            return text.splitlines()[0].split(":")[0].rstrip(".")
    return ""


def place_rooms(arrows: dict[str, set[str]]) -> dict[str, Corner]:
    """The corner of each room's box: a row a floor from below, each room near what it imports."""
    floors = find_floors(arrows)
    rows: list[list[str]] = [[] for _ in range(max(floors.values()) + 1)]
    for room, floor in floors.items():
        rows[floor].append(room)
    across = max(map(len, rows)) * (WIDTH + GAP)
    places: dict[str, Corner] = {}
    for floor, row in enumerate(rows):
        below = {
            room: sum(places[other][0] for other in own) / len(own)
            for room, own in arrows.items()
            if room in row and own
        }
        row.sort(key=lambda room: (below.get(room, 0), ROOMS.index(room)))
        left = (across - len(row) * (WIDTH + GAP)) // 2 + GAP
        for number, room in enumerate(row):
            places[room] = left + number * (WIDTH + GAP), (len(rows) - 1 - floor) * ROW + GAP
    return places


def draw() -> str:
    """The picture as SVG, the front door on top, with an arrow to what each room imports."""
    arrows = reduce(list_arrows())
    places = place_rooms(arrows)
    width = max(x for x, _ in places.values()) + WIDTH + GAP
    height = max(y for _, y in places.values()) + HEIGHT + GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" font-family="sans-serif" text-anchor="middle" role="img"'
            ' aria-label="Rooms and what they import">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
            ' markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#667"/></marker>',
            *_draw_arrows(arrows, places),
            *(line for room in places for line in _draw_room(room, *places[room])),
            "</svg>\n",
        ]
    )


def _draw_arrows(arrows: dict[str, set[str]], places: dict[str, Corner]) -> Iterable[str]:
    for room in places:
        for other in sorted(arrows[room], key=ROOMS.index):
            (x, y), *stops = find_way(places[room], places[other], list(places.values()))
            path = f"M{x} {y}"
            for u, v in stops:
                bend = max((v - y) // 2, 18)
                path += f"C{x} {y + bend} {u} {v - bend} {u} {v}"
                x, y = u, v
            yield (
                f'<path d="{path}" fill="none" stroke="#667" stroke-width="1.3"'
                ' marker-end="url(#tip)"/>'
            )


def find_way(start: Corner, end: Corner, boxes: list[Corner]) -> list[Corner]:
    """The points of an arrow from the foot of one box to the top of another, between all others."""
    (x, y), (u, v) = start, end
    way = [(x + WIDTH // 2, y + HEIGHT)]
    for top in sorted({own for _, own in boxes if y < own < v}):
        lefts = [left for left, own in boxes if own == top]
        beside = [place for left in lefts for place in (left - GAP // 2, left + WIDTH + GAP // 2)]
        nearest = min(beside, key=lambda place: abs(place - u - WIDTH // 2))
        way += [(nearest, top), (nearest, top + HEIGHT)]
    return [*way, (u + WIDTH // 2, v)]


def _draw_room(room: str, x: int, y: int) -> Iterable[str]:
    middle = x + WIDTH // 2
    yield (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eef3f8"'
        ' stroke="#345"/>'
    )
    name = "launch.py" if room == "launch" else room
    yield f'<text x="{middle}" y="{y + 17}" font-weight="bold" font-size="14">{name}</text>'
    for number, line in enumerate(textwrap.wrap(describe(room), 42)[:2]):
        at = y + 32 + 13 * number
        yield f'<text x="{middle}" y="{at}" font-size="11">{escape(line)}</text>'


def main() -> None:
    """Writes the picture."""
    SVG.write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
