"""Man pages: clean by the tools that read them, and they say what --help says, no more and no less."""

import re
import subprocess

import pytest

from conftest import Build

PAGES = ("sluice.1", "sluice.8", "sluice.conf.5")
# "  -p, --pool NAME      the work pool to serve [VARIABLE]": a row of --help
ROW = re.compile(r"^  (?:\s{4})?(\S.*?)\s{2,}(.*?)(?: \[([A-Z_ ]+)\])?$")


def say(*command: object) -> str:
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True).stdout


def one_line(text: str) -> str:
    return " ".join(text.split())


def page_as_text(build: Build, name: str) -> str:
    """Nothing is hyphenated or cut at this width; each character as it was written."""
    text = say("mandoc", "-T", "ascii", "-O", "width=1000", build.made(name))
    return re.sub(".\b", "", text)


def rows(text: str) -> list[tuple[str, str, str]]:
    """Left side, help and variable of each row; a left side that is too long for its column is followed by one blank."""
    found = []
    for line in text.splitlines():
        match = ROW.match(line) or re.match(r"^  (\S+(?: \S+)?) (\S.*?)(?: \[([A-Z_ ]+)\])?$", line)
        if match:
            found.append((match[1].strip(), match[2].strip(), match[3] or ""))
    return found


def options_of_help(build: Build, command: str) -> list[tuple[str, str, str]]:
    text = say(build.sluice, command, "--help").split("\noptions:\n")[1].split("\n\n")[0]
    found = rows(text)
    assert len(found) == len(text.strip().splitlines()), text
    return found


def commands(build: Build) -> dict[str, str]:
    text = say(build.sluice, "--help").split("\ncommands:\n")[1].split("\n\n")[0]
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines()}


def sections(text: str) -> dict[str, str]:
    """The text below each heading; headings stand at the margin, or three blanks from it."""
    parts = re.split(r"^(?:   )?(\S.*)$", text, flags=re.MULTILINE)
    return {heading: one_line(body) for heading, body in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_clean(build: Build, name: str) -> None:
    on_a_terminal = ["groff", "-mandoc", "-ww", "-Tutf8", "-z"]
    on_paper = ["groff", "-mandoc", "-ww", "-Wbreak", "-z"]  # where the names of variables are longer than a line likes
    for command in (["mandoc", "-T", "lint", "-W", "warning"], on_a_terminal, on_paper):
        done = subprocess.run([*command, build.made(name)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_pages_tell_every_command_and_option_of_the_help(build: Build) -> None:
    told = sections(page_as_text(build, "sluice.1"))
    told["start"] = sections(page_as_text(build, "sluice.8"))["OPTIONS"]
    for command, help_ in commands(build).items():
        heading = next((h for h in told if h == command or re.match(rf"sluice {command}\b", h)), None)
        assert heading is not None, f"no page tells of sluice {command}"
        body = told[heading]
        if command != "start":
            assert body.startswith(one_line(f"{help_}."))
        options = options_of_help(build, command)
        for left, text, _variable in options:
            assert one_line(f"{left} {text}.") in body, f"sluice {command} {left}: {text}"
        items = re.findall(r"^\.It Fl", section_source(build, command), re.MULTILINE)
        assert len(items) == len(options), f"sluice {command}: another number of options in the page"


def section_source(build: Build, command: str) -> str:
    if command == "start":
        return build.made("sluice.8").read_text().split(".Sh OPTIONS")[1].split("\n.Sh ")[0]
    source = build.made("sluice.1").read_text()
    start = re.search(rf"^\.Ss sluice {command}\b.*$", source, re.MULTILINE)
    assert start is not None
    return re.split(r"^\.S[sh] ", source[start.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def test_pages_tell_every_setting_of_the_help(build: Build) -> None:
    keys = sections(page_as_text(build, "sluice.conf.5"))
    variables = sections(page_as_text(build, "sluice.8"))["ENVIRONMENT"]
    text = say(build.sluice, "start", "--help").split("environment in brackets):\n")[1]
    settings = [row for row in rows(text) if not row[0].startswith("[timeouts] STAGE")]
    assert len(settings) > 100
    for left, help_, variable in settings:
        if left == "environment only":
            assert one_line(f"{variable.replace(' ', ', ')} {help_}. Allowed:") in variables, variable
            continue
        section, key = left.split()
        heading = section if section in keys else section.replace("]", " NAME]")
        body = keys[heading]
        told = body[body.find(one_line(f"{key} {help_}. Allowed:")) :]
        assert told.startswith(key), f"{left}: {help_}"
        if variable:
            assert f"Environment: {variable.replace(' ', ', ')}" in told


def test_every_key_that_the_configuration_prints_is_in_the_page(build: Build) -> None:
    keys = sections(page_as_text(build, "sluice.conf.5"))
    printed = say(build.sluice, "config", "--pool", "p")
    names = [line.split()[0] for line in printed.splitlines()]
    assert len(names) > 150
    for name in names:
        section, key = name.split(".", 1)
        if section not in ("command", "environment"):
            assert re.search(rf"(^|\. ){re.escape(key)} ", keys[f"[{section}]"]), name
