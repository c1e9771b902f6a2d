"""The console: text on a stream, and an error that is not to be retried when the stream is gone."""

from __future__ import annotations

import io

import pytest

from streamgauge.pipelines.adapters.notifiers.console import Console
from streamgauge.pipelines.ports import Notifier, NotifyError
from tests.pipelines.adapters.notifiers.test_webhook import notification


def test_a_notification_is_written_whole_and_in_order() -> None:
    stream = io.StringIO()
    console: Notifier = Console(stream)
    console.notify(notification())
    console.notify(notification(status="resolved"))
    assert stream.getvalue().startswith("---- FIRING 5eed ----\n[flights] labels: silent\nsecond line\n---- RESOLVED")


def test_a_closed_stream_is_said_and_not_to_be_retried() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(NotifyError, match="console: ") as error:
        Console(stream).notify(notification())
    assert not error.value.retryable
