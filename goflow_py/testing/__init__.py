"""For tests of goflow and of blueprints: a clock moved by hand, a scripted transport."""

from goflow_py.testing.clock import FakeClock
from goflow_py.testing.transport import StubTransport, answer

__all__ = ["FakeClock", "StubTransport", "answer"]
