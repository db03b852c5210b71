-- Traces (OpenTelemetry). The ids of a launch's spans follow from launch_id; only this can't be made again.

-- The trace that the flow run brought along, as a W3C traceparent; '' if none.
ALTER TABLE launches ADD COLUMN trace_parent TEXT NOT NULL DEFAULT '';
