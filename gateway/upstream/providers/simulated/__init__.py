"""An account that needs no credential: answers of all three protocols made up inside the gateway.

It is what the demonstration runs on and what an operator learns on: text, thinking, tool calls, structured output,
usage with cache buckets, faults at chosen rates, all at a chosen pace. `script.py` decides what is answered;
`messages.py`, `chat.py` and `responses.py` write it; `service.py` is the server without a clock;
`transport.py` gives it one.
"""

from gateway.upstream.providers.simulated.provider import PROVIDER
from gateway.upstream.providers.simulated.transport import simulated_transport

__all__ = ["PROVIDER", "simulated_transport"]
