"""What an apply that was killed left behind: made in AWS, and not yet written down.

Such a thing either has the name that the next apply wants to give, which then fails; or it has no
name, and the next apply would make a second one. It is taken into the state instead, provided that
its tags say that it is this stack's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tfod_toolkit.cloud.stack.account import explaining
from tfod_toolkit.cloud.stack.diagnostics import AlreadyThereError
from tfod_toolkit.errors import ConfigError

if TYPE_CHECKING:
    from tfod_toolkit.cloud.stack.account import Account
    from tfod_toolkit.cloud.stack.plans import Change, Plan
    from tfod_toolkit.cloud.stack.stack import Proposal, Stack

#: Each round finds what the one before was kept from by what it stumbled over.
ROUNDS = 5

Values = Mapping[str, Any]
Tags = Mapping[str, str]
Found = tuple[str, Tags | None]
Client = Callable[[str], Any]


def apply_again(stack: Stack, account: Account, proposal: Proposal) -> None:
    """Apply, and take over what an earlier apply made without writing it down.

    Raises:
        ConfigError: something with a name of the stack's is somebody else's.
    """
    lost = nameless(stack, account, proposal.plan)
    if lost:
        with stack.taking_over(lost), stack.proposal() as following:
            blocked = _attempted(stack, following)
    else:
        blocked = _attempted(stack, proposal)
    for _ in range(ROUNDS):
        if blocked is None:
            return
        # A plan of now: it knows more of where things go than the one before.
        with stack.proposal() as present:
            changes = {change.address: change for change in present.plan.changes}
        found = {
            name: _found(stack, account, changes[name])
            for name in blocked.addresses
            if name in changes
        }
        with stack.taking_over(found), stack.proposal() as following:
            blocked = _attempted(stack, following)
    if blocked is not None:
        raise blocked


def nameless(stack: Stack, account: Account, plan: Plan) -> dict[str, str]:
    """What is to be made, is there already, and would be made again: address -> terraform's id."""
    wanted = [each for each in plan.changes if each.sign == "+" and each.kind in NAMELESS]
    if not wanted:
        return {}
    known = {each.get("id") for found in stack.known_resources().values() for each in found}
    lost: dict[str, str] = {}
    ec2 = account.client("ec2")
    for change in wanted:
        call, key, name = NAMELESS[change.kind]
        tags = change.after.get("tags_all") or {}
        filters = [{"Name": f"tag:{tag}", "Values": [value]} for tag, value in tags.items()]
        argument = "Filter" if change.kind == "aws_nat_gateway" else "Filters"
        with explaining(change.address):
            found = getattr(ec2, call)(**{argument: filters})[key]
        ids = [each[name] for each in found if each.get("State") not in {"deleted", "deleting"}]
        unknown = [each for each in ids if each not in known]
        if unknown:
            lost[change.address] = unknown[0]
    return lost


def _attempted(stack: Stack, proposal: Proposal) -> AlreadyThereError | None:
    try:
        stack.apply(proposal)
    except AlreadyThereError as error:
        return error
    return None


def _found(stack: Stack, account: Account, change: Change) -> str:
    """Terraform's id of what is there already, and is the stack's."""
    with explaining(change.address):
        found = find(account.client, change.kind, change.after)
    if found is None:
        raise ConfigError(
            f"{change.address}: there is one already, and it cannot be found",
            "delete it in the AWS console; the same command then goes on",
        )
    name, tags = found
    project = stack.settings.project
    if tags is not None and (tags.get("project"), tags.get("managed-by")) != (project, "terraform"):
        raise ConfigError(
            f"{change.address}: {name} is there already, and is not this stack's",
            'give the stack another name, with project = "..." in config.tfvars',
        )
    return name


def find(client: Client, kind: str, after: Values) -> Found | None:
    """What has the name or place of a planned resource: terraform's id of it, and its tags.

    The tags are ``None`` for what has none, and belongs to something that is the stack's.
    """
    finder = FINDERS.get(kind)
    return finder(client, after) if finder else None


def _pairs(tags: Any) -> dict[str, str]:
    """Tags as a dictionary, from any of the shapes that AWS has for them."""
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items()}
    return {
        str(tag.get("Key", tag.get("key"))): str(tag.get("Value", tag.get("value")))
        for tag in tags or []
    }


def _filters(**values: str) -> list[dict[str, Any]]:
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]


def _role(client: Client, after: Values) -> Found | None:
    tags = client("iam").list_role_tags(RoleName=after["name"])["Tags"]
    return after["name"], _pairs(tags)


def _instance_profile(client: Client, after: Values) -> Found | None:
    found = client("iam").get_instance_profile(InstanceProfileName=after["name"])
    return after["name"], _pairs(found["InstanceProfile"].get("Tags"))


def _repository(client: Client, after: Values) -> Found | None:
    ecr = client("ecr")
    found = ecr.describe_repositories(repositoryNames=[after["name"]])["repositories"][0]
    tags = ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
    return after["name"], _pairs(tags)


def _log_group(client: Client, after: Values) -> Found | None:
    tags = client("logs").list_tags_log_group(logGroupName=after["name"])["tags"]
    return after["name"], _pairs(tags)


def _bucket(client: Client, after: Values) -> Found | None:
    # A bucket gets its tags after it is made; its name holds the account's number, and S3 says
    # whose it is: BucketAlreadyOwnedByYou is told apart from BucketAlreadyExists.
    client("s3").head_bucket(Bucket=after["bucket"])
    return after["bucket"], None


def _group(client: Client, after: Values) -> Found | None:
    found = client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[after["name"]]
    )["AutoScalingGroups"][0]
    return after["name"], _pairs(found.get("Tags"))


def _provider(client: Client, after: Values) -> Found | None:
    found = client("ecs").describe_capacity_providers(
        capacityProviders=[after["name"]], include=["TAGS"]
    )["capacityProviders"][0]
    return found["capacityProviderArn"], _pairs(found.get("tags"))


def _state_machine(client: Client, after: Values) -> Found | None:
    states = client("stepfunctions")
    for page in states.get_paginator("list_state_machines").paginate():
        for found in page["stateMachines"]:
            if found["name"] == after["name"]:
                arn = found["stateMachineArn"]
                return arn, _pairs(states.list_tags_for_resource(resourceArn=arn)["tags"])
    return None


def _launch_template(client: Client, after: Values) -> Found | None:
    found = client("ec2").describe_launch_templates(LaunchTemplateNames=[after["name"]])
    template = found["LaunchTemplates"][0]
    return template["LaunchTemplateId"], _pairs(template.get("Tags"))


def _subnet(client: Client, after: Values) -> Found | None:
    found = client("ec2").describe_subnets(
        Filters=_filters(vpc_id=after["vpc_id"], cidr_block=after["cidr_block"])
    )["Subnets"]
    return (found[0]["SubnetId"], None) if found else None


def _security_group(client: Client, after: Values) -> Found | None:
    found = client("ec2").describe_security_groups(
        Filters=_filters(vpc_id=after["vpc_id"], group_name=after["name"])
    )["SecurityGroups"]
    return (found[0]["GroupId"], _pairs(found[0].get("Tags"))) if found else None


def _gateway(client: Client, after: Values) -> Found | None:
    filters = [{"Name": "attachment.vpc-id", "Values": [after["vpc_id"]]}]
    found = client("ec2").describe_internet_gateways(Filters=filters)["InternetGateways"]
    return (found[0]["InternetGatewayId"], None) if found else None


def _endpoint(client: Client, after: Values) -> Found | None:
    found = client("ec2").describe_vpc_endpoints(
        Filters=_filters(vpc_id=after["vpc_id"], service_name=after["service_name"])
    )["VpcEndpoints"]
    return (found[0]["VpcEndpointId"], None) if found else None


def _route(client: Client, after: Values) -> Found | None:
    del client
    return f"{after['route_table_id']}_{after['destination_cidr_block']}", None


def _association(client: Client, after: Values) -> Found | None:
    del client
    return f"{after['subnet_id']}/{after['route_table_id']}", None


def _egress(client: Client, after: Values) -> Found | None:
    rules = client("ec2").describe_security_group_rules(
        Filters=_filters(group_id=after["security_group_id"])
    )["SecurityGroupRules"]
    ports = [each for each in rules if each["IsEgress"] and each["FromPort"] == after["from_port"]]
    return (ports[0]["SecurityGroupRuleId"], None) if ports else None


#: type of what has no name but its tags -> call that lists them, key of the list, key of the id
NAMELESS = {
    "aws_vpc": ("describe_vpcs", "Vpcs", "VpcId"),
    "aws_eip": ("describe_addresses", "Addresses", "AllocationId"),
    "aws_nat_gateway": ("describe_nat_gateways", "NatGateways", "NatGatewayId"),
    "aws_route_table": ("describe_route_tables", "RouteTables", "RouteTableId"),
    "aws_internet_gateway": (
        "describe_internet_gateways",
        "InternetGateways",
        "InternetGatewayId",
    ),
    "aws_vpc_endpoint": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
}

#: type -> what finds one by what a plan knows of it
FINDERS: dict[str, Callable[[Client, Values], Found | None]] = {
    "aws_autoscaling_group": _group,
    "aws_cloudwatch_log_group": _log_group,
    "aws_ecr_repository": _repository,
    "aws_ecs_capacity_provider": _provider,
    "aws_iam_instance_profile": _instance_profile,
    "aws_iam_role": _role,
    "aws_internet_gateway": _gateway,
    "aws_launch_template": _launch_template,
    "aws_route": _route,
    "aws_route_table_association": _association,
    "aws_s3_bucket": _bucket,
    "aws_security_group": _security_group,
    "aws_sfn_state_machine": _state_machine,
    "aws_subnet": _subnet,
    "aws_vpc_endpoint": _endpoint,
    "aws_vpc_security_group_egress_rule": _egress,
}
