#!/usr/bin/env python3
"""What the program can log, read from its sources, and held against docs/logs.md.

Usage: scripts/log_lines.py [--write]
Without --write: says how page and sources differ, and fails if they do. With --write: makes the table of messages anew; the
meaning of a key is for a person to write, so a key without one is a failure all the same.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "logs.md"
BEGIN, END = "<!-- messages: made by scripts/log_lines.py --write -->", "<!-- end of messages -->"
LEVELS = ["error", "warn", "info", "debug"]
COMMON = {"time", "level", "msg"}

STRING = r'"(?:[^"\\]|\\.)*"'
CALL = re.compile(r"\b(?:log_(debug|info|warn|error)|LOG_AT)\(")
KEY = re.compile(rf"\bkv_(?:s|int|int_if)\(\s*({STRING})")


@dataclass(frozen=True)
class Line:
    message: str
    level: str
    keys: tuple[str, ...]
    place: str


def without_comments(text: str) -> str:
    return re.sub(rf"({STRING})|/\*.*?\*/|//[^\n]*", lambda m: m.group(1) or " ", text, flags=re.DOTALL)


def arguments(text: str, start: int) -> list[str]:
    """What stands between the parenthesis before start and its partner, cut at the commas of its own level."""
    parts, depth, begin, at = [], 0, start, start
    while True:
        string = re.compile(STRING).match(text, at)
        if string:
            at = string.end()
            continue
        c = text[at]
        if c in "([{":
            depth += 1
        elif c in ")]}":
            if depth == 0:
                return [*parts, text[begin:at].strip()]
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[begin:at].strip())
            begin = at + 1
        at += 1


def literals(expression: str) -> list[str]:
    """The texts that an expression can be: literals that follow each other are one."""
    joined = re.sub(r'"\s+"', "", expression)
    return [m[1:-1].replace('\\"', '"') for m in re.findall(STRING, joined)]


def values_of(name: str, before: str, pattern: str) -> list[str]:
    """The alternatives of the variable's last initializer before a place."""
    found = list(re.finditer(rf"\b{name} = ([^;]*);", before))
    if not found:
        sys.exit(f"no initializer of {name} was found")
    return re.findall(pattern, found[-1].group(1))


def lines_of(path: Path) -> list[Line]:
    text = without_comments(path.read_text())
    place = path.relative_to(ROOT / "scheduler").as_posix()
    lines = []
    for call in CALL.finditer(text):
        args = arguments(text, call.end())
        if call.group(1):
            levels, messages, rest = [call.group(1)], literals(args[0]), args[1:]
        else:
            messages = [m[1:-1] for m in values_of(args[1], text[: call.start()], STRING)]
            levels = [level.lower() for level in values_of(args[0], text[: call.start()], r"LOG_LEVEL_(\w+)")]
            rest = args[2:]
        keys = tuple(match.group(1)[1:-1] for part in rest if (match := KEY.match(part)))
        number = text.count("\n", 0, call.start()) + 1
        if not messages or len(keys) != len(rest):
            sys.exit(f"{path}:{number}: a message or key that is no literal: {args}")
        if len(levels) == 1:
            levels = levels * len(messages)
        lines += [Line(message, level, keys, place) for message, level in zip(messages, levels, strict=True)]
    return lines


def in_code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def table(lines: list[Line]) -> str:
    rows = ["| level | message | keys | in |", "|---|---|---|---|"]
    for line in sorted(set(lines), key=lambda l: (LEVELS.index(l.level), l.message, l.place, l.keys)):
        keys = " ".join(in_code(key) for key in line.keys) or "-"
        rows.append(f"| {line.level} | {line.message.replace('|', chr(92) + '|')} | {keys} | `{line.place}` |")
    return "\n".join(rows)


def described_keys(page: str) -> list[str]:
    part = page.split("## Keys", 1)[1].split("\n## ", 1)[0]
    return [key for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)]


def main() -> int:
    lines = [line for path in sorted((ROOT / "scheduler").glob("*.c")) for line in lines_of(path)]
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    written, after = rest.split(END)
    made = f"\n{table(lines)}\n"
    if "--write" in sys.argv[1:]:
        PAGE.write_text(before + BEGIN + made + END + after)
        written = made
    wrong = []
    if written != made:
        old, new = set(written.splitlines()), set(made.splitlines())
        wrong += [f"not in docs/logs.md (scripts/log_lines.py --write): {row}" for row in sorted(new - old)]
        wrong += [f"in docs/logs.md, and nowhere in the sources: {row}" for row in sorted(old - new)]
        wrong += ["the table of docs/logs.md is not as scripts/log_lines.py --write makes it"]
    keys = {key for line in lines for key in line.keys} | COMMON
    described = described_keys(page)
    wrong += [f"docs/logs.md, Keys: {key} is not described" for key in sorted(keys - set(described))]
    wrong += [f"docs/logs.md, Keys: {key} is logged nowhere" for key in sorted(set(described) - keys)]
    wrong += [f"docs/logs.md, Keys: {key} stands there twice" for key in sorted(keys) if described.count(key) > 1]
    wrong += [f"key {key} is not snake_case" for key in sorted(keys) if not re.fullmatch(r"[a-z][a-z0-9_]*", key)]
    print("\n".join(wrong) if wrong else f"docs/logs.md: {len(set(lines))} lines, {len(keys)} keys")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
