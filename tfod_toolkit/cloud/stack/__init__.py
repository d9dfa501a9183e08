"""The stack: what terraform provisions in an AWS account, and how it comes and goes."""

from tfod_toolkit.cloud.stack.account import Account
from tfod_toolkit.cloud.stack.adoption import apply_again
from tfod_toolkit.cloud.stack.costs import Costs, costs
from tfod_toolkit.cloud.stack.images import push_images
from tfod_toolkit.cloud.stack.plans import Change, Plan
from tfod_toolkit.cloud.stack.program import Program
from tfod_toolkit.cloud.stack.rules import provider_faults, task_definition_faults
from tfod_toolkit.cloud.stack.settings import Settings, settings
from tfod_toolkit.cloud.stack.stack import Proposal, Stack, Status, quota_warning

__all__ = [
    "Account",
    "Change",
    "Costs",
    "Plan",
    "Program",
    "Proposal",
    "Settings",
    "Stack",
    "Status",
    "apply_again",
    "costs",
    "provider_faults",
    "push_images",
    "quota_warning",
    "settings",
    "task_definition_faults",
]
