"""The next chunk's forward pass beside this one's backward pass: which stream waits for what, call by call."""

from contextlib import contextmanager
from typing import Any

import pytest
from support.problems import needs

pytestmark = [needs("torch"), pytest.mark.xdist_group("torch")]


def test_which_stream_waits_for_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk's backward pass begins when its forward pass is over. Its forward pass begins when the backward pass of
    the chunk before the last is over, whose arrays it takes; the first waits for the inputs.
    """
    import torch

    from drtrl_bench.implementations.kernels import ahead_torch

    calls: list[str] = []

    class Event:
        made = 0

        def __init__(self) -> None:
            Event.made += 1
            self.name = f"end {Event.made}"

        def record(self, stream: Any) -> None:
            calls.append(f"{stream.name} marks {self.name}")

    class Stream:
        def __init__(self, priority: int = 0) -> None:
            self.name = "ahead" if priority else "main"

        def wait_stream(self, other: Any) -> None:
            calls.append(f"{self.name} waits for {other.name}")

        def wait_event(self, event: Any) -> None:
            calls.append(f"{self.name} waits for {event.name}")

    @contextmanager
    def on(stream: Any) -> Any:
        calls.append(f"on {stream.name}")
        yield
        calls.append(f"off {stream.name}")

    main = Stream()
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: main)

    def forward(*arguments: Any) -> tuple[Any, ...]:
        calls.append(f"forward {arguments[3]}")
        return arguments

    subject: Any = ahead_torch.Ahead(forward)
    for chunk in (1, 2, 3, 4):
        subject.forward("net", "params", "states", chunk, "targets", "layer")
        calls.append(f"backward {chunk}")
    assert calls == [
        *("ahead waits for main", "on ahead", "forward 1", "off ahead", "main waits for ahead", "backward 1"),
        *("main marks end 1", "on ahead", "forward 2", "off ahead", "main waits for ahead", "backward 2"),
        *("main marks end 2", "ahead waits for end 1"),
        *("on ahead", "forward 3", "off ahead", "main waits for ahead", "backward 3"),
        *("main marks end 3", "ahead waits for end 2"),
        *("on ahead", "forward 4", "off ahead", "main waits for ahead", "backward 4"),
    ]
