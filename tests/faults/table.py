"""The sixteen scenarios as a table: `python -m tests.faults.table [--short] [--write docs/faults.md]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.faults import test_sixteen
from tests.faults.runs import Case, Seen, run, timeouts, top
from tests.faults.scenarios import CALLS_APART, PUBLISHED, SCENARIOS, SHORT, STREAM, WHOLE, Times
from tests.faults.test_sixteen import cases_of

BEGIN, END = "<!-- results: python -m tests.faults.table --write docs/faults.md -->\n", "<!-- end of results -->\n"

_HEAD = """\
| # | the provider | answer | result | answered by | asked: primary, fallback | seconds |
|---|---|---|---|---|---|---|
"""


def judge(case: Case, seen: Seen) -> str | None:
    """What is wrong with what came of a case; None: nothing."""
    tests = [test for name, test in vars(test_sixteen).items() if name.startswith("test_") and case in cases_of(name)]
    try:
        for test in tests:
            test(seen)
    except Exception as failure:  # a test that looks for what is not there fails in many ways
        return str(failure).partition("\n")[0] or "see the test"
    return None


def row(case: Case, seen: Seen) -> str:
    """A case's line."""
    number, mode = case
    wrong = judge(case, seen)
    cells = [
        str(number), SCENARIOS[number].title, mode, f"**fails**: {wrong}" if wrong else "passes",
        _answered_by(seen), f"{len(seen.primary)}, {len(seen.fallback)}", _seconds(seen),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _answered_by(seen: Seen) -> str:
    """Who the caller's answers are by: of a stream that was resumed, first one and then the other."""
    if seen.answer.error:
        said = seen.answer.error["code"]
        return f"primary, then the error event `{said}`" if seen.answer.streams else f"{seen.answer.status} `{said}`"
    names = {"primary": 0, "fallback": 0}
    for line in seen.log:
        names["fallback" if line["endpoint"].endswith("-fallback") else "primary"] += 1
    if len(seen.answers) > 1:
        return f"primary {names['primary']}, fallback {names['fallback']}"
    begun, ended = seen.answer.endpoint, seen.log[0]["endpoint"]
    who = "fallback" if ended.endswith("-fallback") else "primary"
    return who if begun == ended else f"primary, then {who}: the same text"


def _seconds(seen: Seen) -> str:
    """How long the caller waited: all of its calls, the quickest and the slowest, where there are several."""
    waits = sorted(answer.seconds for answer in seen.answers)
    return f"{waits[0]:.2f}" if len(waits) == 1 else f"{waits[0]:.2f} to {waits[-1]:.2f}"


def table(results: dict[Case, Seen], times: Times) -> Iterator[str]:
    """The whole of it, as Markdown."""
    passed = {
        number for number in SCENARIOS if not any(judge(case, results[case]) for case in results if case[0] == number)
    }
    yield f"**{len(passed)} of {len(SCENARIOS)} pass.** {_times(times)}\n\n"
    yield f"```yaml\n{_config(times)}```\n\n"
    yield _HEAD
    yield from (row(case, seen) for case, seen in results.items())


def _times(times: Times) -> str:
    how = "as published" if times == PUBLISHED else f"the published ones times {times.scale:g}"
    apart = f"Times: {how} (scenario 15's calls are {times(CALLS_APART):g} s apart)."
    total = timeouts(times, WHOLE)[0].get("timeouts", {}).get("total")
    return f"{apart} The primary's `total` for whole answers is {total:g}." if total else apart


def _config(times: Times) -> str:
    """What the runs' file says, with one pair of endpoints for all."""
    primary, fallback = timeouts(times, STREAM)
    endpoints = [{"name": "primary", **primary, "fallbacks": ["one"]}, {"name": "one", **fallback}]
    written = yaml.safe_dump(
        {**top(times), "endpoints": endpoints}, default_flow_style=None, width=200, sort_keys=False
    )
    return str(written)


def main() -> int:
    """Run all sixteen, print the table, write it into a document where asked; whether all pass."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.table", description=__doc__)
    parser.add_argument("--short", action="store_true", help="all times by one factor: half a minute, not two")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put it into FILE between its marks")
    options = parser.parse_args()
    times = SHORT if options.short else PUBLISHED
    with tempfile.TemporaryDirectory() as directory:
        results = run(times, Path(directory), lambda line: print(f"over: {line}", file=sys.stderr))
    text = "".join(table(results, times))
    print(text, end="")
    if options.write:
        before, _, rest = options.write.read_text().partition(BEGIN)
        options.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
    return any(judge(case, seen) for case, seen in results.items())


if __name__ == "__main__":
    sys.exit(main())
