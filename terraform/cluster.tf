# The cluster and two groups of instances, spot and on-demand, each behind a capacity provider. Both
# are empty until a task asks for one of them, and again some 15 minutes after their last task.

locals {
  default_types = {
    1 = ["g6.xlarge", "g5.xlarge", "g4dn.xlarge", "g6.2xlarge", "g5.2xlarge", "g4dn.2xlarge", "g6.4xlarge", "g5.4xlarge", "g4dn.4xlarge"]
    4 = ["g6.12xlarge", "g5.12xlarge", "g4dn.12xlarge", "g6.24xlarge", "g5.24xlarge"]
    8 = ["g6.48xlarge", "g5.48xlarge", "g4dn.metal"]
  }
  wanted_types = coalesce(var.instance_types, lookup(local.default_types, var.gpus, []))
  types        = [for type in local.wanted_types : type if contains(data.aws_ec2_instance_type_offerings.zones.instance_types, type)]
  host_zones   = distinct(data.aws_ec2_instance_type_offerings.zones.locations)

  # The smallest type decides what a task may ask for: a larger task would never find a host.
  smallest_memory = min([for type in data.aws_ec2_instance_type.hosts : type.memory_size]...)
  smallest_vcpus  = min([for type in data.aws_ec2_instance_type.hosts : type.default_vcpus]...)

  # Percentage of on-demand instances in each group.
  groups = {
    on-demand = 100
    spot      = 0
  }
}

data "aws_ec2_instance_type_offerings" "zones" {
  location_type = "availability-zone"

  filter {
    name   = "instance-type"
    values = local.wanted_types
  }

  lifecycle {
    postcondition {
      condition     = length(self.instance_types) > 0
      error_message = "Region ${local.region} offers none of ${join(", ", local.wanted_types)}: give others as instance_types, or choose another region."
    }
  }
}

data "aws_ec2_instance_type" "hosts" {
  for_each = toset(local.types)

  instance_type = each.key

  lifecycle {
    postcondition {
      condition     = sum(concat([0], [for gpu in self.gpus : gpu.count])) == var.gpus
      error_message = "${each.key} has ${sum(concat([0], [for gpu in self.gpus : gpu.count]))} GPUs, where gpus = ${var.gpus}: a task would get fewer than it asks for, or pay for more than it uses."
    }
  }
}

data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
}

resource "aws_ecs_cluster" "this" {
  name = var.project

  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }
}

resource "aws_launch_template" "hosts" {
  name                                 = "${var.project}-hosts"
  description                          = "A GPU instance of ${var.project}"
  image_id                             = data.aws_ssm_parameter.ami.insecure_value
  update_default_version               = true
  instance_initiated_shutdown_behavior = "terminate"

  user_data = base64encode(templatefile("${path.module}/host.sh.tftpl", {
    cluster              = aws_ecs_cluster.this.name
    registration_minutes = var.registration_minutes
  }))

  iam_instance_profile {
    arn = aws_iam_instance_profile.host.arn
  }

  # Version 2 of the metadata service alone, and one hop: containers do not get at the host's role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  network_interfaces {
    associate_public_ip_address = !var.private
    security_groups             = [aws_security_group.hosts.id]
    delete_on_termination       = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.root_volume_gib
      throughput            = var.root_volume_throughput
      encrypted             = true
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = false
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = "${var.project}-host" })
    }
  }
}

resource "aws_autoscaling_group" "hosts" {
  for_each = local.groups

  name                  = "${var.project}-${each.key}"
  min_size              = 0
  max_size              = var.max_instances
  vpc_zone_identifier   = local.host_subnets
  protect_from_scale_in = true
  capacity_rebalance    = false

  # What is destroyed may have a protected instance, which nothing else would end.
  force_delete = true

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = each.value
      on_demand_allocation_strategy            = "prioritized"
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.hosts.id
        version            = aws_launch_template.hosts.latest_version
      }

      dynamic "override" {
        for_each = local.types

        content {
          instance_type = override.value
        }
      }
    }
  }

  dynamic "tag" {
    for_each = merge(local.tags, { Name = "${var.project}-host" })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false # the launch template tags instances
    }
  }

  tag {
    key                 = "AmazonECSManaged"
    value               = "true"
    propagate_at_launch = true
  }

  lifecycle {
    # ECS sets the capacity, and its own tag, with or without a value.
    ignore_changes = [desired_capacity, tag]
  }
}

resource "aws_ecs_capacity_provider" "hosts" {
  for_each = local.groups

  name = aws_autoscaling_group.hosts[each.key].name

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.hosts[each.key].arn
    managed_termination_protection = "ENABLED"
    managed_draining               = "ENABLED"

    managed_scaling {
      status                    = "ENABLED"
      target_capacity           = 100
      minimum_scaling_step_size = 1
      maximum_scaling_step_size = var.max_instances
      instance_warmup_period    = 300
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = [for provider in aws_ecs_capacity_provider.hosts : provider.name]

  default_capacity_provider_strategy {
    capacity_provider = aws_ecs_capacity_provider.hosts["on-demand"].name
    weight            = 1
  }
}
