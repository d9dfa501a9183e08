# What a careful engineer would look for, in the stack as it comes. Every assertion has a planted fault
# in tests/terraform/test_rules.py that makes it fail.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "defaults" {
  command = apply

  # Nothing gets in, and nothing costs while idle.

  assert {
    condition     = length(aws_security_group.hosts.ingress) == 0 && length(aws_default_security_group.own[0].ingress) == 0
    error_message = "no inbound: a security group lets something in"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.hosts : rule.ip_protocol == "tcp" && contains([80, 443], rule.from_port) && rule.from_port == rule.to_port])
    error_message = "outbound: more than HTTP and HTTPS gets out"
  }

  assert {
    condition     = length(aws_nat_gateway.own) == 0 && length(aws_eip.nat) == 0
    error_message = "no NAT: the default network costs while idle"
  }

  assert {
    condition     = length(aws_subnet.public) >= 2 && length(aws_subnet.private) >= 2 && alltrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch != true])
    error_message = "subnets: a public and a private one in two zones, and no public address but for instances"
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway" && length(aws_vpc_endpoint.s3[0].route_table_ids) == 2
    error_message = "endpoint: S3 is not reached through a gateway endpoint"
  }

  # Groups from 0 to 1, in the hands of ECS.

  assert {
    condition     = alltrue([for group in aws_autoscaling_group.hosts : group.min_size == 0 && group.max_size == 1])
    error_message = "groups: not from 0 to 1"
  }

  assert {
    condition     = alltrue([for group in aws_autoscaling_group.hosts : group.protect_from_scale_in && group.force_delete && group.capacity_rebalance != true])
    error_message = "groups: managed termination protection needs scale-in protection; destroy needs force_delete; no rebalancing"
  }

  assert {
    condition     = alltrue([for group in aws_autoscaling_group.hosts : anytrue([for tag in group.tag : tag.key == "AmazonECSManaged"])])
    error_message = "groups: the tag AmazonECSManaged is missing"
  }

  assert {
    condition     = aws_autoscaling_group.hosts["spot"].mixed_instances_policy[0].instances_distribution[0].on_demand_percentage_above_base_capacity == 0 && aws_autoscaling_group.hosts["spot"].mixed_instances_policy[0].instances_distribution[0].on_demand_base_capacity == 0
    error_message = "spot: the spot group starts on-demand instances"
  }

  assert {
    condition     = aws_autoscaling_group.hosts["spot"].mixed_instances_policy[0].instances_distribution[0].spot_allocation_strategy == "price-capacity-optimized"
    error_message = "spot: not price-capacity-optimized"
  }

  assert {
    condition     = aws_autoscaling_group.hosts["on-demand"].mixed_instances_policy[0].instances_distribution[0].on_demand_percentage_above_base_capacity == 100
    error_message = "on-demand: the on-demand group starts spot instances"
  }

  assert {
    condition     = [for override in aws_autoscaling_group.hosts["spot"].mixed_instances_policy[0].launch_template[0].override : override.instance_type] == ["g5.xlarge", "g4dn.xlarge", "g4dn.2xlarge"]
    error_message = "types: not those that the region offers, in the order of preference"
  }

  assert {
    condition     = length(aws_autoscaling_group.hosts["spot"].vpc_zone_identifier) == 2
    error_message = "zones: not all that offer one of the types, and only those"
  }

  assert {
    condition     = alltrue([for provider in aws_ecs_capacity_provider.hosts : provider.auto_scaling_group_provider[0].managed_termination_protection == "ENABLED" && provider.auto_scaling_group_provider[0].managed_scaling[0].status == "ENABLED" && provider.auto_scaling_group_provider[0].managed_scaling[0].target_capacity == 100])
    error_message = "providers: managed scaling to 100% and termination protection are not both on"
  }

  # Instances.

  assert {
    condition     = aws_launch_template.hosts.metadata_options[0].http_tokens == "required"
    error_message = "IMDSv2: not required"
  }

  assert {
    condition     = aws_launch_template.hosts.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "hop limit: containers reach the host's role"
  }

  assert {
    condition     = aws_launch_template.hosts.block_device_mappings[0].ebs[0].encrypted == "true" && aws_launch_template.hosts.block_device_mappings[0].ebs[0].volume_type == "gp3"
    error_message = "root volume: not encrypted gp3"
  }

  assert {
    condition     = aws_launch_template.hosts.network_interfaces[0].associate_public_ip_address == "true"
    error_message = "public address: an instance in a public subnet without NAT needs one"
  }

  assert {
    condition     = aws_launch_template.hosts.instance_initiated_shutdown_behavior == "terminate" && strcontains(base64decode(aws_launch_template.hosts.user_data), "--on-active=10min")
    error_message = "registration: a host that does not register within 10 minutes does not end itself"
  }

  assert {
    condition     = alltrue([for setting in ["ECS_CLUSTER=tfod", "ECS_ENABLE_GPU_SUPPORT=true", "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT=", "ECS_IMAGE_CLEANUP_INTERVAL=", "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true"] : strcontains(base64decode(aws_launch_template.hosts.user_data), setting)])
    error_message = "agent: a setting of the ECS agent is missing"
  }

  assert {
    condition     = data.aws_ssm_parameter.ami.name == "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
    error_message = "AMI: not the ECS GPU-optimised Amazon Linux 2023"
  }

  # Storage.

  assert {
    condition     = alltrue([for block in aws_s3_bucket_public_access_block.own : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "buckets: public access is not blocked"
  }

  assert {
    condition     = alltrue([for bucket in keys(aws_s3_bucket.own) : one(aws_s3_bucket_server_side_encryption_configuration.own[bucket].rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"])
    error_message = "buckets: not encrypted"
  }

  assert {
    condition     = alltrue([for bucket in keys(aws_s3_bucket.own) : aws_s3_bucket_versioning.own[bucket].versioning_configuration[0].status == "Enabled"])
    error_message = "buckets: without versions"
  }

  assert {
    condition     = alltrue([for policy in aws_s3_bucket_policy.own : jsondecode(policy.policy).Statement[0].Effect == "Deny" && jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "buckets: connections without TLS are let in"
  }

  assert {
    condition     = alltrue([for lifecycle in aws_s3_bucket_lifecycle_configuration.own : anytrue([for rule in lifecycle.rule : try(rule.abort_incomplete_multipart_upload[0].days_after_initiation == 1, false)]) && anytrue([for rule in lifecycle.rule : try(rule.noncurrent_version_expiration[0].noncurrent_days >= 1, false)])])
    error_message = "buckets: incomplete uploads or old versions stay"
  }

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.own : bucket.force_destroy == false])
    error_message = "buckets: destroyed with what is in them"
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.images : repository.image_scanning_configuration[0].scan_on_push && repository.image_tag_mutability == "IMMUTABLE"]) && length(aws_ecr_lifecycle_policy.images) == 2
    error_message = "repositories: no scan on push, mutable tags, or no lifecycle"
  }

  assert {
    condition     = aws_cloudwatch_log_group.tasks.retention_in_days == 30 && aws_cloudwatch_log_group.events.retention_in_days == 30
    error_message = "logs: kept for ever"
  }

  # Permissions.

  assert {
    condition     = alltrue(flatten([for policy in aws_iam_role_policy.role : [for statement in jsondecode(policy.policy).Statement : [for action in flatten([statement.Action]) : !endswith(action, "*")]]]))
    error_message = "policies: an action is a wildcard"
  }

  assert {
    condition = alltrue(flatten([for policy in aws_iam_role_policy.role : [for statement in jsondecode(policy.policy).Statement :
      [for action in flatten([statement.Action]) : contains([
        "ecr:GetAuthorizationToken", "ecs:DiscoverPollEndpoint", "ecs:ListTasks",
        "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
      ], action)] if contains(flatten([statement.Resource]), "*")
    ]]))
    error_message = "policies: a resource is a wildcard where AWS knows a narrower one"
  }

  assert {
    condition     = alltrue(flatten([for statement in jsondecode(aws_iam_role_policy.role["task"].policy).Statement : [for resource in flatten([statement.Resource]) : endswith(resource, "/tfod/*")] if contains(flatten([statement.Action]), "s3:PutObject")]))
    error_message = "task role: writes outside its own prefix"
  }

  assert {
    condition     = alltrue([for statement in jsondecode(output.runner_policy).Statement : strcontains(jsonencode(statement.Condition), "ssm:SessionDocumentAccessCheck") if contains(statement.Action, "ssm:StartSession")])
    error_message = "runner: may start a session with any document"
  }

  # The task.

  assert {
    condition     = { for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : container.name => container.essential } == { restore = false, backup = true, tfod = true, tensorboard = false }
    error_message = "essential: the flags are not restore false, backup true, tfod true, tensorboard false"
  }

  assert {
    condition = { for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : container.name => [for dependency in try(container.dependsOn, []) : "${dependency.containerName} ${dependency.condition}"] } == {
      restore = [], backup = ["restore SUCCESS"], tfod = ["backup START"], tensorboard = ["backup START"]
    }
    error_message = "conditions: not restore, then backup after its success, then tfod and tensorboard"
  }

  assert {
    condition     = { for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : container.name => container.stopTimeout } == { restore = 30, backup = 900, tfod = 60, tensorboard = 5 }
    error_message = "stop timeouts: not 60 s for tfod, then 900 s for backup"
  }

  assert {
    condition     = { for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : container.name => try(container.restartPolicy.enabled, false) } == { restore = false, backup = true, tfod = false, tensorboard = false }
    error_message = "restart: backup alone is restarted"
  }

  assert {
    condition     = { for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : container.name => container.readonlyRootFilesystem } == { restore = true, backup = true, tfod = true, tensorboard = false }
    error_message = "read-only roots: all but tensorboard"
  }

  assert {
    condition     = { for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : container.name => [for need in try(container.resourceRequirements, []) : "${need.type} ${need.value}"] } == { restore = [], backup = [], tfod = ["GPU 1"], tensorboard = [] }
    error_message = "GPU: not one for tfod alone"
  }

  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : container.linuxParameters.initProcessEnabled]) && anytrue([for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : try(container.linuxParameters.sharedMemorySize, 0) >= 1024])
    error_message = "init, shared memory: a container has no init process, or the trainer no shared memory"
  }

  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : container.logConfiguration.logDriver == "awslogs" && container.logConfiguration.options.mode == "non-blocking" && container.logConfiguration.options.max-buffer-size == "25m"])
    error_message = "log: mode and buffer of awslogs are not set"
  }

  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.run.container_definitions) : can(regex("@sha256:[0-9a-f]{64}$", container.image))])
    error_message = "images: not by digest"
  }

  assert {
    condition     = alltrue([for volume in aws_ecs_task_definition.run.volume : volume.docker_volume_configuration[0].scope == "task"])
    error_message = "volumes: one outlives its task"
  }

  assert {
    condition     = aws_ecs_task_definition.run.network_mode == "bridge" && aws_ecs_task_definition.run.family == "tfod"
    error_message = "task: not in bridge mode, or not named after the project"
  }

  assert {
    condition     = tonumber(aws_ecs_task_definition.run.memory) == 15360 && tonumber(aws_ecs_task_definition.run.cpu) == 4096
    error_message = "size: not what the smallest type has, less 1 GiB"
  }

  # The state machines.

  assert {
    condition     = jsondecode(aws_sfn_state_machine.runs.definition).States.Attempt.Branches[0].States["Run task"].Resource == "arn:aws:states:::ecs:runTask.sync"
    error_message = "runs: the state machine does not run the task to its end"
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.spot.definition).States["Stop tasks"].ItemProcessor.States["Stop task"].Parameters.Reason == "tfod: spot" && contains(jsondecode(aws_cloudwatch_event_rule.spot.event_pattern)["detail-type"], "EC2 Spot Instance Interruption Warning")
    error_message = "spot: a warning does not stop the instance's tasks"
  }

  # Tags.

  assert {
    condition     = alltrue([for spec in aws_launch_template.hosts.tag_specifications : spec.tags.project == "tfod" && spec.tags["managed-by"] == "terraform"]) && local.tags.project == "tfod" && local.tags["managed-by"] == "terraform"
    error_message = "tags: project and managed-by are missing"
  }
}
