"""Prints, per provider, how many recordings are replayed and in what they agree: `python -m tests.recordings.table`."""

from __future__ import annotations

from collections import Counter

from tests.recordings import known, left_out
from tests.recordings.comparison import ASPECTS, compare
from tests.recordings.recorded import Recording, recordings
from tests.recordings.replaying import Replay, replayed


def main() -> None:
    """Two tables in Markdown: what agrees, and what is left out."""
    counts: Counter[tuple[str, str]] = Counter()
    with Replay() as replay:
        for recording in replayed():
            _count(counts, recording, replay)
    _print(("provider", "recordings", *ASPECTS, "strict"), counts, sorted({known.provider for known in replayed()}))
    print()
    _print_left_out()


def _count(counts: Counter[tuple[str, str]], recording: Recording, replay: Replay) -> None:
    """Adds a recording to its provider's row and to the sum: `reasoning` how many agree, `/reasoning` of how many."""
    reading = replay(recording)
    for row in (recording.provider, "all"):
        counts[row, "recordings"] += 1
        counts[row, "strict"] += reading.strict is None
        counts[row, "/strict"] += 1
        for aspect, (ours, theirs) in compare(recording, reading).items():
            counts[row, aspect] += bool(ours == theirs)
            counts[row, f"/{aspect}"] += 1


def _print(columns: tuple[str, ...], counts: Counter[tuple[str, str]], rows: list[str]) -> None:
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in [*rows, "all"]:
        cells = [row, str(counts[row, "recordings"])]
        for column in columns[2:]:
            total = counts[row, f"/{column}"]
            cells.append(f"{counts[row, column]} of {total}" if total else "-")
        print(f"| {' | '.join(cells)} |")


def _print_left_out() -> None:
    print("| left out | why |\n|---|---|")
    for recording in recordings():
        if why := left_out.reason(recording):
            print(f"| `{recording.name}` | {why} |")
    for (name, aspect), why in known.DIFFERENCES.items():
        print(f"| `{name}`: {aspect} | {why} |")


if __name__ == "__main__":
    main()
