"""Every line of a run is one JSON object, redacted."""

import io
import json
import logging
import warnings

from dativo_engine.events import EventLog, LibraryLog


def test_a_line_is_json_with_the_documented_keys_first():
    stream = io.StringIO()
    log = EventLog(stream)
    log.bind(tenant_id="acme", job_name="orders", run_id="r1")
    log.emit("job_started", "Job orders started", extra=1)
    line = json.loads(stream.getvalue())
    assert list(line)[:7] == ["timestamp", "level", "event_type", "tenant_id", "job_name", "run_id", "message"]
    assert line["timestamp"].endswith("Z")
    assert line["extra"] == 1


def test_a_secret_in_a_field_or_an_error_is_masked():
    stream = io.StringIO()
    log = EventLog(stream)
    log.redactor.add(["hunter2hunter2"])
    log.emit("x", "hunter2hunter2", deep={"k": ["hunter2hunter2"]}, error=ValueError("hunter2hunter2"))
    assert "hunter2" not in stream.getvalue()


def test_lines_below_the_level_are_not_written():
    stream = io.StringIO()
    EventLog(stream, level="WARNING").emit("x", "y")
    assert stream.getvalue() == ""


def test_what_libraries_log_and_warn_becomes_an_event():
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            LibraryLog(EventLog(stream)).install()
            logging.getLogger("some.library").warning("told %s", "you")
            warnings.warn("careful", stacklevel=1)
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:], root.level = before, level
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event_type"] for line in lines] == ["library_log", "library_log"]
    assert lines[0]["message"] == "told you"
