"""From a job's variables to its container, read back from the engine: A20, A21, A31, A37, A38, A39."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.faults import Rule
from support.prefect_api import Json
from support.proxy import Proxy
from support.rig import Rig
from support.waiting import wait_until

CREATE = r"/containers/create"
START = r"/containers/[^/]+/start"
REFUSED = "Failed to submit flow run to infrastructure: "
PROXY = "http://u:p@proxy.example:1"
MAC = "02:42:0a:59:00:63"
GPU = {"Driver": "", "Count": -1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
RATE = [{"Path": "/dev/null", "Rate": 1000}]

# Keywords of which this engine shows nothing; that they are sent is seen on the way.
DISCARDED = {"blkio_weight": 300, "blkio_weight_device": [{"Path": "/dev/null", "Weight": 100}], "cpu_percent": 50}


class Group(NamedTuple):
    """Keywords that one container can have together; what the engine shows of them; whether it can run with them here."""

    kwargs: Json
    host: Json  # in HostConfig
    top: Json  # in Config
    runs: bool = True
    fields: Json = {}


# Every row of the table in chapter 5.13 of the protocol, but for those that an engine discards or refuses here (DISCARDED).
GROUPS = {
    "resources": Group(
        {"cpu_shares": 512, "cpu_period": 50000, "cpu_quota": 25000, "cpuset_cpus": "0", "cpuset_mems": "0", "mem_reservation": "64m", "mem_swappiness": 10, "oom_kill_disable": False}
        | {"oom_score_adj": 100, "pids_limit": 50, "shm_size": "1m", "ulimits": [{"name": "nofile", "soft": 100, "Hard": 200}], "kernel_memory": "64m", "cpu_count": 1},
        {"CpuShares": 512, "CpuPeriod": 50000, "CpuQuota": 25000, "CpusetCpus": "0", "CpusetMems": "0", "MemoryReservation": 64 << 20, "MemorySwappiness": 10, "OomScoreAdj": 100}
        | {"PidsLimit": 50, "ShmSize": 1 << 20, "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "Memory": 128 << 20, "MemorySwap": 256 << 20, "KernelMemory": 64 << 20, "CpuCount": 1},
        {},
        fields={"mem_limit": "128m", "memswap_limit": "256m"},
    ),
    "surroundings": Group(
        {"cap_add": ["SYS_PTRACE"], "cap_drop": ["MKNOD"], "device_cgroup_rules": ["c 1:3 mr"], "group_add": [1000, "4"], "nano_cpus": 500000000, "init": True}
        | {"devices": ["/dev/null:/dev/x:r", "/dev/zero"], "cgroup_parent": "/sluice-a37", "cgroupns": "host", "ipc_mode": "host", "pid_mode": "host", "uts_mode": "host", "userns_mode": "host"}
        | {"runtime": "runc", "isolation": "default", "volume_driver": "local", "tmpfs": ["/t:size=1m"], "read_only": True, "restart_policy": {"Name": "no"}}
        | {"mounts": [{"Target": "/m", "Type": "tmpfs", "ReadOnly": True}], "log_config": {"type": "json-file", "config": {"max-size": "7m"}}, "extra_hosts": {"b.example": "1.2.3.4"}}
        | {"dns": ["127.0.0.1"], "dns_opt": ["ndots:1"], "dns_search": ["example"]},
        {"CapAdd": ["SYS_PTRACE"], "CapDrop": ["MKNOD"], "DeviceCgroupRules": ["c 1:3 mr"], "GroupAdd": ["1000", "4"], "NanoCpus": 500000000, "Init": True}
        | {"Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}, {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero", "CgroupPermissions": "rwm"}]}
        | {"CgroupParent": "/sluice-a37", "CgroupnsMode": "host", "IpcMode": "host", "PidMode": "host", "UTSMode": "host", "UsernsMode": "host", "Runtime": "runc", "Isolation": "default"}
        | {"VolumeDriver": "local", "Tmpfs": {"/t": "size=1m"}, "ReadonlyRootfs": True, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}
        | {"Mounts": [{"Target": "/m", "Type": "tmpfs", "ReadOnly": True}], "ExtraHosts": ["b.example:1.2.3.4", "host.docker.internal:host-gateway"], "Dns": ["127.0.0.1"], "DnsOptions": ["ndots:1"]}
        | {"DnsSearch": ["example"], "NetworkMode": "host"},
        {},
    ),
    "process": Group(
        {"hostname": "h", "domainname": "d.example", "user": 0, "working_dir": "/tmp", "stop_signal": "SIGINT", "entrypoint": "env 'A B=c'", "tty": True, "stdin_open": True, "platform": "linux/amd64"}
        | {"healthcheck": {"test": "true", "interval": 60000000000, "Timeout": 2000000000, "retries": 3, "start_period": 1000000}, "environment": {"A": "1"}, "version": "1.24", "lxc_conf": {"a": 1}, "security_opt": ["no-new-privileges"]}
        | {"sysctls": {"kernel.msgmax": 1024}},
        {"SecurityOpt": ["no-new-privileges"], "Sysctls": {"kernel.msgmax": "1024"}},
        {"Hostname": "h", "Domainname": "d.example", "User": "0", "WorkingDir": "/tmp", "StopSignal": "SIGINT", "Entrypoint": ["env", "A B=c"], "Tty": True, "OpenStdin": True, "StdinOnce": True}
        | {"AttachStdin": True, "AttachStdout": True, "Cmd": ["run-flow", "0"]}
        | {"Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 60000000000, "Timeout": 2000000000, "Retries": 3, "StartPeriod": 1000000}},
    ),
    "detached": Group({"detach": True, "stdin_open": True, "oom_kill_disable": True}, {"OomKillDisable": True}, {"AttachStdout": False, "AttachStderr": False, "AttachStdin": False, "OpenStdin": True}),
    "ports": Group(
        {"network": "NET", "networking_config": {"NET": {"Aliases": ["a37"]}}, "mac_address": MAC, "publish_all_ports": True}
        | {"ports": {"80": ["127.0.0.1", None], "81/udp": None, "82": {"HostIp": "127.0.0.2", "HostPort": ""}, "83": []}},
        {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}], "81/udp": [{"HostIp": "", "HostPort": ""}], "82/tcp": [{"HostIp": "127.0.0.2", "HostPort": ""}], "83/tcp": []}}
        | {"PublishAllPorts": True, "NetworkMode": "NET"},
        {"ExposedPorts": {"80/tcp": {}, "81/udp": {}, "82/tcp": {}, "83/tcp": {}}, "MacAddress": MAC},
        runs=False,
    ),
    "links": Group({"links": {"NAME": "other"}, "volumes_from": "NAME:ro"}, {"Links": ["/NAME:/SELF/other"], "VolumesFrom": ["NAME:ro"]}, {}, runs=False, fields={"network_mode": "bridge"}),
    "gpu": Group({"device_requests": [{"count": -1, "capabilities": [["gpu"]]}]}, {"DeviceRequests": [GPU]}, {}, runs=False),
    "rates": Group(
        {"device_read_bps": RATE, "device_write_bps": RATE, "device_read_iops": RATE, "device_write_iops": RATE, "cpu_rt_period": 1000000, "cpu_rt_runtime": 950000},
        {"BlkioDeviceReadBps": RATE, "BlkioDeviceWriteBps": RATE, "BlkioDeviceReadIOps": RATE, "BlkioDeviceWriteIOps": RATE, "CpuRealtimePeriod": 1000000, "CpuRealtimeRuntime": 950000},
        {},
        runs=False,
    ),
    "discarded": Group(DISCARDED | {"use_config_proxy": False}, {}, {}),
    "offline": Group({"network_disabled": True}, {}, {"NetworkDisabled": True}, runs=False, fields={"network_mode": "bridge"}),
}
# What no container is made for, and the word that must be in the message.
REFUSALS = [
    ({"nosuch_keyword": 1}, "nosuch_keyword"),
    ({"restart_policy": {"Name": "always"}}, "restart_policy"),
    ({"init_path": "/sbin/init"}, "init_path"),
    ({"ports": {"80": 80}}, "ports"),
    ({"cpu_shares": "many"}, "cpu_shares"),
    ({"storage_opt": {"size": "1G"}}, "storage-opt is not supported"),  # the engine's word
]


@pytest.fixture
def network(rig: Rig) -> Iterator[str]:
    name = f"{rig.pool}-net"
    rig.engine.create_network(name)
    yield name
    for container in rig.engine.containers(rig.pool):
        rig.engine.remove(container["Id"])
    rig.engine.remove_network(name)


def filled(value: Any, words: dict[str, str]) -> Any:
    text = json.dumps(value)
    for word, replacement in words.items():
        text = text.replace(word, replacement)
    return json.loads(text)


def check_shown(name: str, container: Json, words: dict[str, str]) -> None:
    expected = filled([GROUPS[name].host, GROUPS[name].top], {**words, "SELF": container["Name"][1:]})
    for part, wanted in zip(("HostConfig", "Config"), expected):
        wrong = {key: container[part].get(key) for key in wanted if container[part].get(key) != wanted[key]}
        assert not wrong, f"{name}: {wrong}"
    proxies = [item for item in container["Config"]["Env"] if "_proxy" in item.lower()]
    assert proxies == ([] if name == "discarded" else [f"https_proxy={PROXY}", f"HTTPS_PROXY={PROXY}"])


def crashed(rig: Rig, run: str) -> str:
    """The message of a run that no container is left of."""
    message = rig.api.wait_for_state(run, "CRASHED")["state"]["message"]
    assert message.startswith(REFUSED), message
    wait_until(lambda: not rig.engine.of_run(rig.pool, run), "its container to be removed")
    return message


@pytest.mark.beyond_official("knows no environment and network here, and starts a container with a restart policy")
def test_a37_every_keyword_reaches_the_engine(rig: Rig, network: str, tmp_path: Path) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": {"httpsProxy": PROXY}}}))
    rig.secrets.append("u:p@proxy")
    rig.start_worker(environment={"DOCKER_CONFIG": str(tmp_path)}, config="[limits]\nlaunching = 20\n[retry]\nmax_attempts = 1\n")
    start = engine.add(Rule("POST", START, "hold", times=None))
    holder = rig.engine.create(f"{rig.pool}-holder", rig.images.busybox, ["true"])
    words = {"NET": network, "NAME": f"{rig.pool}-holder"}
    try:
        with ThreadPoolExecutor(4) as threads:

            def submit(variables: Json, command: str = "run-flow 0") -> Future[str]:
                return threads.submit(lambda: rig.api.create_run(rig.deploy(command, job_variables=variables)))

            waiting = {
                name: submit({**group.fields, "container_create_kwargs": filled(group.kwargs, words)}, "run-flow 0" if group.runs else "true")
                for name, group in GROUPS.items()
            }
            refused = [(submit({"container_create_kwargs": kwargs}), word) for kwargs, word in REFUSALS]
        runs = {name: run.result() for name, run in waiting.items()}
        wait_until(lambda: all(rig.engine.of_run(rig.pool, run) for run in runs.values()), "the containers to be made")
        made = {name: rig.engine.only_one(rig.pool, run) for name, run in runs.items()}
        for name, container in made.items():
            check_shown(name, container, words)
        # The engine adds a setting of its own to these.
        assert made["surroundings"]["HostConfig"]["LogConfig"]["Config"]["max-size"] == "7m"
        assert "a37" in made["ports"]["NetworkSettings"]["Networks"][network]["Aliases"]
        assert "A=1" in made["process"]["Config"]["Env"]
        assert [call.path for call in engine.seen("POST", r"platform=linux(/|%2F)amd64")]
        start.let_go()
        start.times = 0
        for name, run in runs.items():
            rig.api.wait_for_state(run, "COMPLETED" if GROUPS[name].runs else "CRASHED")
        sent = json.loads(engine.seen("POST", CREATE, body=runs["discarded"])[0].body)["HostConfig"]
        assert (sent["BlkioWeight"], sent["BlkioWeightDevice"], sent["CpuPercent"]) == tuple(DISCARDED.values())
        for run, word in refused:
            assert word in crashed(rig, run.result())
    finally:
        rig.engine.remove(holder)


def test_a38_volumes(rig: Rig, tmp_path: Path) -> None:
    rig.make_pool()
    rig.start_worker()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "marker").write_text("here")
    volume = f"{rig.pool}-volume"
    volumes = [f"{tmp_path}/sub:/ro:ro", ".:/cwd", "./sub/../sub:/sub:rw", f"{volume}:/named", "/anonymous", f"{tmp_path}:/shared:rw,z"]
    looks = "grep -q here /ro/marker && grep -q here /sub/marker && grep -q here /cwd/sub/marker && ! touch /ro/x && touch /named/x /anonymous/x /shared/x"
    malformed = {"$(pwd):/x": '"$(pwd)"', "~/x:/x": '"~/x"', "rel/x:/x": '"rel/x"', "/a:b": '"b"', "/a:/b:rx": '"rx"', "a": '"a"', ":/x": '":/x"', "": '""'}
    try:
        run = rig.api.create_run(rig.deploy(f"sh -c '{looks} && run-flow 0'", job_variables={"volumes": volumes}))
        refused = {text: rig.api.create_run(rig.deploy(job_variables={"volumes": [text]})) for text in malformed}
        rig.api.wait_for_state(run, "COMPLETED")
        mounts = {m["Destination"]: m for m in rig.engine.only_one(rig.pool, run)["Mounts"]}
        assert {path: (m["Type"], m["Source"], m["RW"]) for path, m in mounts.items() if m["Type"] == "bind"} == {
            "/ro": ("bind", f"{tmp_path}/sub", False),
            "/cwd": ("bind", str(tmp_path), True),
            "/sub": ("bind", f"{tmp_path}/sub", True),
            "/shared": ("bind", str(tmp_path), True),
        }
        assert mounts["/named"]["Type"] == "volume" and mounts["/named"]["Name"] == volume
        assert mounts["/anonymous"]["Type"] == "volume"
        for text, one in refused.items():
            message = crashed(rig, one)
            assert f"volumes: {malformed[text]}" in message, message
    finally:
        for container in rig.engine.containers(rig.pool):
            rig.engine.remove(container["Id"])
        rig.engine.remove_volume(volume)


@pytest.fixture
def front(rig: Rig) -> Iterator[None]:
    """What listens at the server's port on the address that host-gateway means; the server itself is at 127.0.0.1 only."""
    bridge = rig.engine.call("GET", "/networks/bridge")["IPAM"]["Config"][0]
    gateway = bridge.get("Gateway") or next(ip_network(bridge["Subnet"]).hosts())
    address = rig.api.url.removeprefix("http://").removesuffix("/api")
    with Proxy(f"http://{address}", f"{gateway}:{address.rpartition(':')[2]}"):
        yield


@pytest.mark.beyond_official("leaves a container behind if a network is missing")
def test_a39_ways_to_the_server(rig: Rig, network: str, front: None) -> None:
    rig.make_pool()
    rig.start_worker()
    second = f"{network}-2"
    rig.engine.create_network(second)
    try:
        runs = {
            name: rig.api.create_run(rig.deploy(job_variables=variables))
            for name, variables in {
                "nothing": {},
                "bridge": {"network_mode": "bridge"},
                "two": {"networks": [network, second], "container_create_kwargs": {"networking_config": {network: {"Aliases": ["x"]}, second: {"Aliases": ["y"]}}}},
                "overruled": {"networks": [network], "network_mode": "host"},
                "missing": {"networks": [network, "no-such-network"]},
            }.items()
        }
        seen = {}
        for name in ("nothing", "bridge", "two", "overruled"):
            rig.api.wait_for_state(runs[name], "COMPLETED")
            seen[name] = rig.engine.only_one(rig.pool, runs[name])
        urls = {name: next(item for item in c["Config"]["Env"] if item.startswith("PREFECT_API_URL=")) for name, c in seen.items()}
        inside = "PREFECT_API_URL=" + rig.api.url.replace("127.0.0.1", "host.docker.internal")
        assert urls == {"nothing": f"PREFECT_API_URL={rig.api.url}", "bridge": inside, "two": inside, "overruled": inside}
        assert {name: c["HostConfig"]["NetworkMode"] for name, c in seen.items()} == {"nothing": "host", "bridge": "bridge", "two": network, "overruled": network}
        assert all(c["HostConfig"]["ExtraHosts"] == ["host.docker.internal:host-gateway"] for c in seen.values())
        endpoints = seen["two"]["NetworkSettings"]["Networks"]
        assert {name: "x" in e["Aliases"] or "y" in e["Aliases"] for name, e in endpoints.items()} == {network: True, second: True}
        assert "no-such-network" in crashed(rig, runs["missing"])
    finally:
        for container in rig.engine.containers(rig.pool):
            rig.engine.remove(container["Id"])
        rig.engine.remove_network(second)


def test_a31_names_of_runs(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    names = {
        "Größe und  Übung, 1,000 Läufe": "Grosse-und-Ubung-1000-Laufe",
        "Привет &amp; Ελλάδα": "Privet-Ellada",
        f"{rig.pool}-" + "x" * 300: (f"{rig.pool}-" + "x" * 300)[:250],
        "!!! ???": None,
    }
    unique = rig.pool.rpartition("-")[2]
    deployment = rig.deploy()
    runs = {name: rig.api.create_run(deployment, name=name if expected is None else f"{name} {unique}") for name, expected in names.items()}
    for name, run in runs.items():
        rig.api.wait_for_state(run, "COMPLETED")
        expected = f"run-{run[:8]}" if names[name] is None else f"{names[name]}-{unique}"[:250]
        assert rig.engine.only_one(rig.pool, run)["Name"] == f"/{expected}"


def test_a20_memory_limit(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker()
    # One process that takes memory without end.
    run = rig.api.create_run(rig.deploy("tail /dev/zero", job_variables={"mem_limit": "128m", "memswap_limit": "128m"}))
    message = rig.api.wait_for_state(run, "CRASHED")["state"]["message"]
    assert "137" in message and "memory limit" in message
    container = rig.engine.only_one(rig.pool, run)
    assert container["State"]["OOMKilled"] is True
    assert container["HostConfig"]["Memory"] == 134217728
    wait_until(lambda: [log for log in rig.api.logs(run) if "memory" in log["message"]], "a hint in the run's log")


@pytest.mark.beyond_official("leaves a container behind")
def test_a21_command_that_is_not_there(rig: Rig) -> None:
    rig.make_pool()
    rig.start_worker("--limit", "1")
    run = rig.api.create_run(rig.deploy("/nope"))
    assert "/nope" in crashed(rig, run)
    # Its slot is free.
    rig.api.wait_for_state(rig.api.create_run(rig.deploy()), "COMPLETED")
