"""The completions, as bash, zsh and fish themselves run them."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Build

BASH = """
source /usr/share/bash-completion/bash_completion
source {file}
COMP_LINE={line}
COMP_POINT=${{#COMP_LINE}}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
$(complete -p sluice | sed 's/.*-F \\([^ ]*\\) .*/\\1/') sluice
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

# In a terminal of its own, since zsh completes nowhere else: compadd also prints what it is given, between two lines of NUL.
ZSH_INSIDE = """
PROMPT=
autoload -U compinit
fpath=({folder} $fpath)
compinit -u -D
bindkey '^I' complete-word
bindkey '^M' undefined
bindkey '^J' undefined
zstyle ':completion:*' insert-tab false
border () { print -n - $'\\0' }
compprefuncs=(border)
comppostfuncs=(border exit)
compadd () {
    if [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\\ * ]]; then
        builtin compadd "$@"
        return
    fi
    typeset -a hits
    builtin compadd -A hits "$@"
    builtin compadd "$@"
    local hit
    for hit in $hits; do print -r - "<$hit>"; done
}
print -n - $'\\0'
"""
ZSH = """
zmodload zsh/zpty
zpty inside zsh -f -i
zpty -w inside 'source {inside}'
zpty -r inside text $'*\\0'
zpty -w -n inside {line}$'\\t'
zpty -r inside text $'*\\0'
zpty -r inside text $'*\\0'
print -r - $text
"""


def run(directory: Path, *command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=directory, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def by_bash(build: Build, directory: Path, line: str) -> set[str]:
    words = shlex.split(line)
    if line.endswith(" "):
        words.append("")
    script = BASH.format(
        file=build.made("sluice.bash"), line=shlex.quote(line), words=" ".join(shlex.quote(word) for word in words)
    )
    return {word for word in run(directory, "bash", "--norc", "-c", script).splitlines() if word}


def by_zsh(build: Build, directory: Path, line: str) -> set[str]:
    folder = directory.parent / "zsh"
    folder.mkdir(exist_ok=True)
    (folder / "_sluice").write_text(build.made("sluice.zsh").read_text())
    (folder / "inside").write_text(ZSH_INSIDE.replace("{folder}", str(folder)).replace("{{", "{").replace("}}", "}"))
    script = ZSH.format(inside=folder / "inside", line=shlex.quote(line))
    lines = run(directory, "zsh", "-f", "-c", script).replace("\r", "").splitlines()
    return {hit[hit.index("<") + 1 : -1] for hit in lines if "<" in hit and hit.endswith(">")}


def by_fish(build: Build, directory: Path, line: str) -> set[str]:
    script = f"source {build.made('sluice.fish')}; complete -C {shlex.quote(line)}"
    return {hit.split("\t")[0] for hit in run(directory, "fish", "--no-config", "-c", script).splitlines()}


Shell = Callable[[Build, Path, str], set[str]]
shells = pytest.mark.parametrize("shell", [by_bash, by_zsh, by_fish])


@pytest.fixture
def directory(tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one file and one folder; sluice is on the path."""
    (tmp_path / "here/folder").mkdir(parents=True)
    (tmp_path / "here/mine.conf").touch()
    monkeypatch.setenv("PATH", str(build.sluice.parent), prepend=":")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "here"


@shells
def test_commands(build: Build, directory: Path, shell: Shell) -> None:
    assert {"start", "check", "config", "queue", "why", "tune"} <= shell(build, directory, "sluice ")
    assert shell(build, directory, "sluice dr") == {"drain"}
    assert "--version" in shell(build, directory, "sluice --")


@shells
def test_options_are_those_of_the_command(build: Build, directory: Path, shell: Shell) -> None:
    assert shell(build, directory, "sluice start --po") == {"--pool"}
    assert shell(build, directory, "sluice start --no-c") == {"--no-create-pool-if-not-found"}
    assert shell(build, directory, "sluice queue --pr") == {"--profile"}
    assert {"--stage", "--dependency"} <= shell(build, directory, "sluice explain --")
    assert "--stage" not in shell(build, directory, "sluice queue --")
    # And after an option with its value.
    assert shell(build, directory, "sluice start --pool x --wit") == {"--with-healthcheck"}


@shells
def test_words_of_an_option(build: Build, directory: Path, shell: Shell) -> None:
    assert shell(build, directory, "sluice start --type ") == {"docker"}
    assert shell(build, directory, "sluice start --install-policy ") == {"always", "if-not-present", "never", "prompt"}
    assert shell(build, directory, "sluice explain --dependency ") == {"engine", "registry", "prefect"}
    assert shell(build, directory, "sluice explain --stage pu") == {"pull"}
    assert shell(build, directory, "sluice start --pool ") == set()


@shells
def test_files(build: Build, directory: Path, shell: Shell) -> None:
    for line in ("sluice start --config mi", "sluice check mi", "sluice backup mi"):
        assert shell(build, directory, line) == {"mine.conf"}
    for command in ("drain", "retry", "queue"):
        assert shell(build, directory, f"sluice {command} mi") == set()


@shells
def test_runs_that_wait(
    build: Build, directory: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By their names, of the worker that the line names; one with a quote in its name is left out, not run."""
    stand_in = tmp_path / "bin/sluice"
    stand_in.parent.mkdir()
    answer = """[{"position":"1","run_name":"blue-crab"},{"run_name": "brave-owl"},{"run_name":"b'$(touch hit)"}]"""
    stand_in.write_text(f"#!/bin/sh\necho \"$*\" >>{tmp_path}/asked\ncat <<'END'\n{answer}\nEND\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(stand_in.parent), prepend=":")
    assert shell(build, directory, "sluice why --pool p b") == {"blue-crab", "brave-owl"}
    assert shell(build, directory, "sluice why --pool p br") == {"brave-owl"}
    assert (tmp_path / "asked").read_text().splitlines()[0] == "queue --json --pool p"
    assert not (directory / "hit").exists()
