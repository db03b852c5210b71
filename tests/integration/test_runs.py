"""From due to done: A16, A17, A18, A19, A21, A22, A23, A24, A30, A75, A77."""

from datetime import timedelta

import pytest

from support.prefect_api import Json, parse_time, plain_template
from support.rig import Rig
from support.waiting import wait_until

LABELS = {
    "io.prefect.flow-run-id",
    "io.prefect.flow-run-name",
    "io.prefect.version",
    "io.prefect.work-pool-name",
    "io.prefect.work-pool-id",
    "io.prefect.worker-name",
    "io.prefect.flow-id",
    "io.prefect.flow-name",
    "io.prefect.deployment-id",
    "io.prefect.deployment-name",
    "io.prefect.deployment-updated",
}
EXITED = "Flow run infrastructure exited with non-zero status code"


def wait_for_end(rig: Rig, run_id: str) -> Json:
    """The run's only container, once it has ended."""

    def look() -> Json | None:
        found = rig.engine.only_one(rig.pool, run_id)
        return found if found["State"]["Status"] == "exited" else None

    return wait_until(look, f"the container of {run_id} to end")


def in_order(events: list[Json]) -> list[Json]:
    """Events by what they follow, from the first one on."""
    following = {event["follows"]: event for event in events if event["follows"]}
    first = [event for event in events if not event["follows"]]
    assert len(first) == 1, [event["event"] for event in first]
    chain = first
    while chain[-1]["id"] in following:
        chain.append(following[chain[-1]["id"]])
    return chain


def test_a16_ok(rig: Rig) -> None:
    rig.start_worker()
    deployment = rig.api.create_deployment(rig.pool, "ok", job_variables=rig.flow_variables())
    run = rig.api.create_run(deployment)
    ended = rig.api.wait_for_state(run, "COMPLETED", timeout_s=90)
    assert rig.api.state_names(run) == [
        "SCHEDULED Scheduled",
        "PENDING Pending",
        "PENDING Submitting",
        "RUNNING Running",
        "COMPLETED Completed",
    ]
    container = wait_for_end(rig, run)
    assert container["State"]["ExitCode"] == 0
    assert set(container["Config"]["Labels"]) >= LABELS
    assert ended["infrastructure_pid"] == f"http+docker://localhost:{container['Id']}"
    assert ended["labels"]["prefect.worker.name"] == "w1"
    assert ended["labels"]["prefect.worker.type"] == "docker"
    assert ended["labels"]["prefect.work-pool.name"] == rig.pool


def test_a16_events(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    run = rig.api.create_run(rig.deploy("run-flow 3"))
    rig.api.wait_for_state(run, "COMPLETED")

    def events(prefix: str) -> list[Json]:
        return rig.api.events(f"prefect.flow-run.{run}", prefix)

    worker_events = wait_until(
        lambda: events("prefect.worker.")[1:] and events("prefect.worker."), "the events submitted and executed"
    )
    assert [event["event"] for event in in_order(worker_events)] == [
        "prefect.worker.submitted-flow-run",
        "prefect.worker.executed-flow-run",
    ]
    executed = in_order(worker_events)[-1]
    labels = next(one for one in executed["related"] if one["prefect.resource.role"] == "flow-run")
    assert labels["prefect.infrastructure.status-code"] == "0"
    container = rig.engine.only_one(rig.pool, run)
    assert labels["prefect.infrastructure.identifier"].endswith(container["Id"])
    of_container = wait_until(
        lambda: events("prefect.docker.container.")[2:] and events("prefect.docker.container."),
        "the events of the container",
    )
    assert [event["event"].rpartition(".")[2] for event in in_order(of_container)] == ["created", "running", "exited"]
    assert {event["resource"]["prefect.resource.id"] for event in of_container} == {
        f"prefect.docker.container.{container['Id']}"
    }


def test_a17_prefetch_starts_the_container_early_and_the_flow_in_time(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker("--prefetch-seconds", "10")
    deployment = rig.api.create_deployment(rig.pool, "ok", job_variables=rig.flow_variables())
    run = rig.api.create_run(deployment, due_in_s=8)
    due = parse_time(rig.api.run(run)["expected_start_time"])
    rig.api.wait_for_state(run, "COMPLETED", timeout_s=90)
    states = {state["name"]: parse_time(state["timestamp"]) for state in rig.api.states(run)}
    assert states["Pending"] < due
    # The server rounds what is left to wait to whole seconds.
    assert states["Running"] >= due - timedelta(seconds=0.5)
    assert parse_time(rig.engine.only_one(rig.pool, run)["State"]["StartedAt"]) < due


def test_a18_bad_is_failed_by_the_flow_itself(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    run = rig.api.create_run(rig.api.create_deployment(rig.pool, "bad", job_variables=rig.flow_variables()))
    rig.api.wait_for_state(run, "FAILED", timeout_s=90)
    assert wait_for_end(rig, run)["State"]["ExitCode"] == 0
    # A second run is through: whatever the worker had to say about the first one, it has said.
    rig.api.wait_for_state(rig.api.create_run(rig.deploy()), "COMPLETED")
    assert rig.api.state_names(run)[-1] == "FAILED Failed"


def test_a19_killed_runner_is_reported_by_us(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    # The shell is process 1 here, as an init would be: process 1 itself is immune to its own children's signals.
    variables = rig.flow_variables(command="sh -c 'prefect flow-run execute; exit $?'")
    run = rig.api.create_run(rig.api.create_deployment(rig.pool, "kill", job_variables=variables))
    ended = rig.api.wait_for_state(run, "CRASHED", timeout_s=90)
    assert ended["state"]["message"].startswith(f"{EXITED} 137")
    assert rig.engine.only_one(rig.pool, run)["State"]["ExitCode"] == 137
    # Besides the report itself the run's log says what such a code means.
    wait_until(
        lambda: [log for log in rig.api.logs(run) if "worker" in log["name"] and "memory" in log["message"].lower()],
        "a hint in the run's log",
    )


def test_a19_killed_flow_is_reported_by_the_container(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    run = rig.api.create_run(rig.api.create_deployment(rig.pool, "self", job_variables=rig.flow_variables()))
    ended = rig.api.wait_for_state(run, "CRASHED", timeout_s=90)
    assert "status code: -9" in ended["state"]["message"]
    assert wait_for_end(rig, run)["State"]["ExitCode"] == 0
    rig.api.wait_for_state(rig.api.create_run(rig.deploy()), "COMPLETED")
    assert rig.api.run(run)["state"]["message"] == ended["state"]["message"]


@pytest.mark.beyond_official("leaves the container that it could not start")
def test_a21_command_that_does_not_exist(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker("--limit", "1")
    run = rig.api.create_run(rig.deploy("/nope"))
    ended = rig.api.wait_for_state(run, "CRASHED")
    assert ended["state"]["message"].startswith("Failed to submit flow run to infrastructure")
    assert "/nope" in ended["state"]["message"]
    assert rig.engine.of_run(rig.pool, run) == []
    # Its slot is free.
    rig.api.wait_for_state(rig.api.create_run(rig.deploy()), "COMPLETED")


def test_a22_exit_codes_are_reported(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    codes = (126, 127, 143, 1, 3)
    runs = {code: rig.api.create_run(rig.deploy(f'sh -c "exit {code}"')) for code in codes}
    for code, run in runs.items():
        ended = rig.api.wait_for_state(run, "CRASHED")
        assert ended["state"]["message"].startswith(f"{EXITED} {code}"), ended["state"]["message"]
        assert rig.engine.only_one(rig.pool, run)["State"]["ExitCode"] == code


@pytest.mark.beyond_official("leaves the run PENDING for ever")
def test_a23_container_that_never_starts_the_flow(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    run = rig.api.create_run(rig.deploy("true"))
    rig.api.wait_for_state(run, "CRASHED", timeout_s=20)
    assert rig.engine.only_one(rig.pool, run)["State"]["ExitCode"] == 0
    assert "RUNNING Running" not in rig.api.state_names(run)


@pytest.mark.beyond_official("reports no crash in any of the three")
def test_a24_killed_where_the_exit_code_is_easily_lost(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    kinds = (
        {"stream_output": False},
        {"auto_remove": True},
        {"container_create_kwargs": {"log_config": {"type": "none"}}},
    )
    runs = [rig.api.create_run(rig.deploy("run-flow told", job_variables=kind)) for kind in kinds]
    for run in runs:
        rig.api.wait_for_state(run, "RUNNING")
        rig.engine.kill(rig.engine.only_one(rig.pool, run)["Id"])
    for run in runs:
        ended = rig.api.wait_for_state(run, "CRASHED")
        assert ended["state"]["message"].startswith(f"{EXITED} 137"), ended["state"]["message"]
    not_streamed, removed, not_logged = runs
    wait_until(lambda: rig.engine.of_run(rig.pool, removed) == [], "the container with auto_remove to be gone")
    for run in (not_streamed, not_logged):
        assert rig.engine.only_one(rig.pool, run)["State"]["ExitCode"] == 137


def test_a30_taken_container_name(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    name = rig.pool.replace("_", "-")
    holder = rig.engine.create(name, rig.images.busybox, ["true"])
    try:
        run = rig.api.create_run(rig.deploy(job_variables={"name": name}))
        rig.api.wait_for_state(run, "COMPLETED")
        assert rig.engine.only_one(rig.pool, run)["Name"] == f"/{name}-1"
        assert rig.engine.inspect(holder)["State"]["Status"] == "created"
    finally:
        rig.engine.remove(holder)


def test_a75_run_once(rig: Rig) -> None:
    rig.make_pool()
    deployment = rig.deploy("run-flow 3")
    runs = [rig.api.create_run(deployment) for _ in range(3)]
    assert rig.start_worker("--run-once").wait_for_exit() == 0
    for run in runs:
        rig.engine.only_one(rig.pool, run)
        rig.api.wait_for_state(run, "COMPLETED")

    runs = [rig.api.create_run(deployment) for _ in range(3)]
    assert rig.start_worker("--run-once", "--limit", "3").wait_for_exit() == 0
    assert sum(rig.api.run(run)["state_type"] == "COMPLETED" for run in runs) == 3


def test_a77_a_run_longer_than_container_wait_timeout(rig: Rig) -> None:
    template = plain_template(image=rig.images.busybox, image_pull_policy="Never")
    template["job_configuration"]["container_wait_timeout"] = "{{ container_wait_timeout }}"
    template["variables"]["properties"]["container_wait_timeout"] = {"type": "integer", "default": 1}
    rig.api.create_pool(rig.pool, template)
    rig.start_worker()
    long = rig.api.create_run(rig.deploy("run-flow 4"))
    crashed = rig.api.create_run(rig.deploy("sh -c 'sleep 4; exit 5'"))
    rig.api.wait_for_state(long, "COMPLETED")
    assert EXITED in rig.api.wait_for_state(crashed, "CRASHED")["state"]["message"]
