"""A launch as OpenTelemetry spans, from the poll to the report, with the flow in the container as part of the trace."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support.collector import Collector, attributes
from support.rig import Rig
from support.waiting import wait_until

LABEL = "__OTEL_TRACEPARENT"
PARENT_TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT_SPAN = "b7ad6b7169203331"
HEADER = "header that no log may hold"
STATES = ["queue", "claim", "submit", "resolve", "pull", "wait for start", "create", "network", "announce", "start", "run", "report"]


def wait_for_root(collector: Collector, run: str) -> Span:
    """The launch's root span, which comes last."""

    def look() -> Span | None:
        return next((span for span in collector.spans() if attributes(span).get("prefect.run.id") == run), None)

    return wait_until(look, f"the root span of {run}")


def printed(rig: Rig, run: str, what: str) -> str:
    """What the flow has printed behind this word."""

    def look() -> str | None:
        lines = (line["message"] for line in rig.api.logs(run))
        return next((line.removeprefix(f"{what}: ") for line in lines if line.startswith(f"{what}: ")), None)

    return wait_until(look, f"{what} in the log of {run}")


def test_a_launch_and_its_flow_are_one_trace(rig: Rig) -> None:
    rig.secrets.append(HEADER)
    with Collector() as collector:
        worker = rig.new_worker(
            environment={
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_EXPORTER_OTLP_HEADERS": f"x-token={HEADER.replace(' ', '%20')}",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            }
        ).start()
        rig.wait_online(worker)
        deployment = rig.api.create_deployment(rig.pool, "traced", job_variables=rig.flow_variables())
        run = rig.api.create_run(deployment)
        joined = rig.api.create_run(deployment, labels={LABEL: f"00-{PARENT_TRACE}-{PARENT_SPAN}-01"})
        for each in (run, joined):
            rig.api.wait_for_state(each, "COMPLETED", timeout_s=120)
        root, joined_root = wait_for_root(collector, run), wait_for_root(collector, joined)
        spans = [span for span in collector.spans() if span.trace_id == root.trace_id]

        # A tree below one root, from before the claim to after the report.
        ids = [span.span_id for span in spans]
        assert len(set(ids)) == len(ids)
        assert not root.parent_span_id
        assert all(span.parent_span_id in ids for span in spans if span is not root and span.span_id != root.span_id)
        states = [span for span in spans if "sluice.state" in attributes(span)]
        assert [span.name for span in sorted(states, key=lambda span: span.end_time_unix_nano)] == STATES
        assert all(root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
        assert max(span.end_time_unix_nano for span in spans) == root.end_time_unix_nano
        assert root.status.code == Status.STATUS_CODE_UNSET and root.kind == Span.SPAN_KIND_CONSUMER
        container = rig.engine.only_one(rig.pool, run)
        assert attributes(root)["container.id"] == container["Id"]
        assert attributes(root)["process.exit.code"] == 0
        calls = {span.name for span in spans if span.kind == Span.SPAN_KIND_CLIENT}
        assert calls >= {"api", "create", "start"}

        # The container, and the flow as Prefect runs it, are part of it.
        trace, span = root.trace_id.hex(), root.span_id.hex()
        assert printed(rig, run, "environment") == f"00-{trace}-{span}-01"
        assert printed(rig, run, "prefect") == trace
        assert rig.api.run(run)["labels"][LABEL].startswith(f"00-{trace}-")

        # A run that brings a trace along stays in it.
        assert joined_root.trace_id.hex() == PARENT_TRACE and joined_root.parent_span_id.hex() == PARENT_SPAN
        assert printed(rig, joined, "environment") == f"00-{PARENT_TRACE}-{joined_root.span_id.hex()}-01"
        assert printed(rig, joined, "prefect") == PARENT_TRACE

        resource = {item.key: item.value.string_value for item in collector.requests[0].resource_spans[0].resource.attributes}
        assert resource["service.name"] == "sluice" and resource["deployment.environment.name"] == "test"
        assert resource["prefect.worker.name"] == "w1" and resource["prefect.work-pool.name"] == rig.pool
        assert {headers["x-token"] for headers in collector.headers} == {HEADER}
        assert worker.stop() == 0
