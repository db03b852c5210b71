"""Pulls from a real registry: shared, retried when they stall, and measured by `sluice tune`."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Sluice
from support.engine import Engine
from support.faults import Rule
from support.registry import Registry, running_registry
from support.rig import Images, Rig
from support.terminal import open_terminal, read_to_the_end

PULL = r"/images/create"
TUNE_LABEL = "io.sluice.tune"
RUNS = 20


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine, images: Images) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry"), engine, images.busybox) as registry:
        yield registry


def test_many_runs_of_one_image_pull_it_once(rig: Rig, registry: Registry) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    rig.start_worker()
    image = registry.push()
    runs = rig.create_runs(rig.deploy(job_variables={"image": image, "image_pull_policy": "IfNotPresent"}), RUNS)
    assert rig.ends(runs) == {"COMPLETED": RUNS}
    assert len(engine.seen("POST", PULL)) == 1


def test_a_stalled_pull_is_tried_again_on_a_new_connection(rig: Rig, registry: Registry) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    image = registry.push()
    stalled = registry.proxy.add(Rule("GET", r"/blobs/", "stall"))
    worker = rig.start_worker(config="[timeouts]\npull_inactivity = 3s\n[retry]\nbase = 100ms\n")
    run = rig.api.create_run(rig.deploy(job_variables={"image": image, "image_pull_policy": "IfNotPresent"}))
    rig.api.wait_for_state(run, "COMPLETED")
    assert len(stalled.caught) == 1
    pulls = engine.seen("POST", PULL)
    assert [call.status for call in pulls] == [200, 200]
    assert pulls[0].connection != pulls[1].connection
    assert worker.ask_state("SELECT stage, clock FROM timeouts") == [("pull", "inactivity")]


@pytest.mark.timeout(180)
def test_tune_measures_pulls_and_leaves_nothing_behind(
    request: pytest.FixtureRequest, engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    sluice = Sluice(Path(request.config.getoption("--sluice")).resolve(), tmp_path)
    image = registry.push()
    options = ["--json", "--time", "45s", "--containers", "10", "--network", "host", "--pull", image]
    main, side = open_terminal(70, 24)
    environment = sluice.environment(DOCKER_HOST=engine.host, TERM="xterm", LANG="C", LC_ALL=None)
    with subprocess.Popen([sluice.binary, "tune", *options], env=environment, stdout=subprocess.PIPE, stderr=side) as process:
        code, progress = read_to_the_end(main, process, 120)
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
    os.close(main)
    os.close(side)
    sluice.close()
    assert code == 0, progress
    assert re.search(r"\r\x1b\[K\[#{17}\] 100%  \d+s of 45s at most  ", progress), progress
    assert progress.endswith("\r\x1b[K"), progress
    assert (report["pull"]["image"], report["pull"]["was_there"]) == (image, False)
    assert report["pull"]["longest_ms"] > 0
    assert {"launching", "starts_per_second", "create", "start"} <= {value["key"] for value in report["recommended"]}
    filters = json.dumps({"label": [TUNE_LABEL]})
    assert engine.call("GET", "/containers/json", all="true", filters=filters) == []
    assert engine.call("GET", "/images/json", all="true", filters=filters) == []
    assert not registry.has(image)
