"""Session Manager's port forwarding, emulated: the service's calls, and the agent in each target.

::

    def resolve(target: str, port: int) -> tuple[str, int] | None:
        return ("127.0.0.1", 41234)  # where the target's port is on this machine; None: no agent

    with SessionManager(resolve) as manager:
        told = manager.start_session(
            target="ecs:tfod_0123_0123-456",
            document="AWS-StartPortForwardingSession",
            parameters={"portNumber": ["6006"], "localPortNumber": ["6006"]},
        )  # SessionId, TokenValue and StreamUrl, as ssm:StartSession answers

``resolve`` is asked when a session starts and again for each connection through it.
``moto_calls(manager)`` has what a moto server needs to answer the calls: set each on moto's
``SimpleSystemManagerResponse``. Any thread may call.
"""

from tfod_toolkit.rehearsal.ssm.faults import Faults
from tfod_toolkit.rehearsal.ssm.service import Refusal, SessionManager, moto_calls

__all__ = ["Faults", "Refusal", "SessionManager", "moto_calls"]
