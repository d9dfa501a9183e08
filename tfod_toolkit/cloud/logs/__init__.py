"""The log of a run: every line once, in order of time, whatever CloudWatch does meanwhile."""

from tfod_toolkit.cloud.logs.cloudwatch import CloudWatch
from tfod_toolkit.cloud.logs.follow import Follower
from tfod_toolkit.cloud.logs.order import Event, Gap, Line, Order

__all__ = ["CloudWatch", "Event", "Follower", "Gap", "Line", "Order"]
