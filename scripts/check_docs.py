"""Holds README, docs/ and CHANGELOG against the program, so that no command, key, query, path or link in them is out of date.

Usage: check_docs.py SLUICE   (the program)

- links within the repository lead to a file, and to a heading in it;
- each `sluice COMMAND ...` (in `code` or in a block) names a command that there is, with options that its --help tells;
- each `[section] key` is a key of the configuration, and each block of configuration passes `sluice check`;
- each SQL statement is prepared by SQLite against the migrations' schema;
- each file named with its folder is there, and so is each script.
"""

import json
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The first three as README's table names files: from the house's folders on.
FOLDERS = ("", "scheduler/", "scheduler/core/", "api/", "store/", "scheduler/base/", "tests/", "tests/integration/", "docs/")
SUFFIXES = "c|h|py|sh|md|conf|yml|yaml|json|sql|html|css|js|service|txt|tsv|toml|cmake|S|png"
NAMES_A_FILE = re.compile(rf"^[\w.-]+(/[\w.-]+)+\.(?:{SUFFIXES})$|^scripts/[\w-]+$|^(?:[\w-]+)\.(?:c|h)$")
KEY = re.compile(r"^\[([a-z]+)(?: [\w-]+)?\] ([a-z_]+)\b")
BEGINS_SQL = re.compile(r"^(select|explain query plan)\b", re.I)
# Words in capitals stand for what a reader puts there.
PLACEHOLDER = re.compile(r"^[A-Z][A-Z0-9_]*$")


class Checker:
    def __init__(self, sluice: Path) -> None:
        self.sluice = sluice
        self.problems: list[str] = []
        self.counts = dict.fromkeys(("links", "commands", "keys", "blocks", "queries", "files"), 0)
        self.helps: dict[str, str] = {}
        shown = json.loads(self.run("config", "--json", "--pool", "x").stdout)
        # Also those of sections that are not there by default; a class has the keys of the sections it narrows.
        self.keys = {setting["key"] for setting in shown["settings"]}
        self.words = {key.split(".")[-1] for key in self.keys}
        self.configuration = (ROOT / "docs/configuration.md").read_text()
        self.schema = sqlite3.connect(":memory:")
        for migration in sorted((ROOT / "migrations").glob("*.sql")):
            self.schema.executescript(migration.read_text())

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.sluice, *arguments], capture_output=True, text=True, timeout=20, check=False)

    def say(self, path: Path, line: int, problem: str) -> None:
        self.problems.append(f"{path.relative_to(ROOT)}:{line}: {problem}")

    # ---- one kind of thing each ----

    def check_link(self, path: Path, line: int, target: str) -> None:
        if re.match(r"[a-z]+:", target):
            return
        self.counts["links"] += 1
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            self.say(path, line, f"a link to {target}, which isn't there")
        elif anchor and file.suffix == ".md" and anchor not in headings(file):
            self.say(path, line, f"a link to {target}, but no heading makes that anchor")

    def help_of(self, command: str) -> str:
        if command not in self.helps:
            done = self.run(command, "--help")
            self.helps[command] = done.stdout if done.returncode == 0 else ""
        return self.helps[command]

    def check_command(self, path: Path, line: int, text: str) -> None:
        try:
            words = shlex.split(text, comments=True)
        except ValueError:
            words = text.split()
        if len(words) < 2 or words[1].startswith("-") or PLACEHOLDER.match(words[1]) or not words[1].isalpha():
            return
        self.counts["commands"] += 1
        text_of_help = self.help_of(words[1])
        if not text_of_help:
            self.say(path, line, f"there is no command `sluice {words[1]}`")
            return
        for word in words[2:]:
            if word in (";", "|", "||", "&&", ">", "&"):
                break
            option = re.match(r"--?[a-z][\w-]*", word)
            if option and not re.search(rf"(^|[\s,\[]){re.escape(option[0])}\b", text_of_help, re.M):
                self.say(path, line, f"`sluice {words[1]}` has no option {option[0]}")

    def check_key(self, path: Path, line: int, section: str, key: str) -> None:
        self.counts["keys"] += 1
        if f"{section}.{key}" in self.keys or (section in ("class", "rule") and f"`{key}`" in self.configuration):
            return
        if section in ("class", "engine", "rule") and key in self.words:
            return
        self.say(path, line, f"there is no key {key} in section [{section}]")

    def check_configuration(self, path: Path, line: int, text: str) -> None:
        self.counts["blocks"] += 1
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(text)
            file.flush()
            done = self.run("check", file.name)
        if done.returncode != 0:
            self.say(path, line, f"sluice check refuses this block: {(done.stdout + done.stderr).strip()}")

    def check_query(self, path: Path, line: int, sql: str) -> None:
        self.counts["queries"] += 1
        statement = re.sub(r"^explain query plan ", "", sql.strip().rstrip(";"), flags=re.I)
        # Names in capitals within quotes stand for what a reader puts there, and so are texts.
        try:
            self.schema.execute(f"EXPLAIN {statement}")
        except sqlite3.Error as error:
            self.say(path, line, f"SQLite refuses {sql!r}: {error}")

    def check_file(self, path: Path, line: int, name: str) -> None:
        self.counts["files"] += 1
        bases = [ROOT / folder / name for folder in FOLDERS] + [path.parent / name]
        if not any(base.exists() for base in bases) and not list(ROOT.glob(f"*/{name}")) and not list(ROOT.glob(f"*/*/{name}")):
            self.say(path, line, f"there is no file {name}")

    # ---- one document ----

    def check_code(self, path: Path, line: int, code: str) -> None:
        if code.startswith("sluice "):
            self.check_command(path, line, code)
        if key := KEY.match(code):
            self.check_key(path, line, key[1], key[2])
        if BEGINS_SQL.match(code):
            self.check_query(path, line, code)
        for query in re.findall(r"""sqlite3 .*?(["'])(select .*?)\1""", code, re.I):
            self.check_query(path, line, query[1])
        word = code.split()[0] if code.split() else ""
        if NAMES_A_FILE.match(word) and "NAME" not in word:
            self.check_file(path, line, word)

    def check_document(self, path: Path) -> None:
        text = path.read_text()
        blocks = list(code_blocks(text))
        for line, block in blocks:
            first = next((part for part in block if part.strip() and not part.startswith("#")), "")
            if re.match(r"\[[a-z]+( [\w-]+)?\]$", first.strip()) and first.strip() != "[section]":
                self.check_configuration(path, line, "\n".join(block) + "\n")
                continue
            for number, part in enumerate(block):
                self.check_code(path, line + number, re.sub(r"^(\$ |sudo )", "", part.strip()))
        inside = {line + number for line, block in blocks for number in range(len(block))}
        for number, part in enumerate(text.splitlines(), 1):
            if number in inside:
                continue
            for target in re.findall(r"\]\(([^)\s]+)\)", part):
                self.check_link(path, number, target)
            for code in re.findall(r"`([^`]+)`", part):
                self.check_code(path, number, code)


def headings(path: Path) -> set[str]:
    """The anchors of a document, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.M):
        found.add(re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-"))
    return found


def code_blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Fenced and indented blocks, with the number of their first line."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        if lines[number].startswith("```"):
            start = number + 1
            number = start
            while number < len(lines) and not lines[number].startswith("```"):
                number += 1
            yield start + 1, lines[start:number]
        elif lines[number].startswith("    ") and (number == 0 or not lines[number - 1].strip()):
            start = number
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            yield start + 1, [line[4:] for line in lines[start:number]]
            continue
        number += 1


def main() -> int:
    checker = Checker(Path(sys.argv[1]).resolve())
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for document in documents:
        checker.check_document(document)
    for problem in checker.problems:
        print(problem)
    print(f"{len(documents)} documents: " + ", ".join(f"{count} {what}" for what, count in checker.counts.items()))
    if min(checker.counts[what] for what in ("links", "commands", "keys", "queries", "files")) == 0:
        print("a kind of which nothing was found is not checked at all")
        return 1
    return 1 if checker.problems else 0


if __name__ == "__main__":
    sys.exit(main())
