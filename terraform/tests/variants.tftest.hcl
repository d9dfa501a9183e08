# What the variables do, and which values are refused with a reason.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "private" {
  command = plan

  variables {
    private = true
    project = "two"
  }

  assert {
    condition     = length(aws_nat_gateway.own) == 1 && length(aws_eip.nat) == 1 && aws_route.nat["eu-west-1a"].destination_cidr_block == "0.0.0.0/0"
    error_message = "private: not one NAT gateway that leads out"
  }

  assert {
    condition     = aws_launch_template.hosts.network_interfaces[0].associate_public_ip_address == "false"
    error_message = "private: instances get public addresses"
  }

  assert {
    condition     = aws_ecs_cluster.this.name == "two" && aws_autoscaling_group.hosts["spot"].name == "two-spot" && aws_s3_bucket.own["data"].bucket == "two-data-123456789012-eu-west-1" && aws_iam_instance_profile.host.name == "two-eu-west-1-host"
    error_message = "project: a name does not begin with it"
  }
}

run "existing_network_and_buckets" {
  command = plan

  variables {
    vpc_id               = "vpc-0123456789abcdef0"
    subnet_ids           = ["subnet-0123456789abcdef0"]
    artifacts_bucket     = "mine"
    data_bucket          = "mine"
    readable             = ["s3://other/records/"]
    permissions_boundary = "arn:aws:iam::123456789012:policy/bound"
    budget_usd           = 50
    budget_email         = "me@example.com"
    tfod_image           = "111122223333.dkr.ecr.us-east-1.amazonaws.com/team/tfod@sha256:0123456789012345678901234567890123456789012345678901234567890123"
  }

  assert {
    condition     = length(aws_vpc.own) == 0 && length(aws_subnet.public) == 0 && length(aws_vpc_endpoint.s3) == 0 && aws_autoscaling_group.hosts["spot"].vpc_zone_identifier == toset(["subnet-0123456789abcdef0"])
    error_message = "network: one is made though one was given"
  }

  assert {
    condition     = length(aws_s3_bucket.own) == 0 && output.artifacts_bucket == "mine"
    error_message = "buckets: one is made though one was given"
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.role : role.permissions_boundary == "arn:aws:iam::123456789012:policy/bound"])
    error_message = "boundary: a role is without it"
  }

  assert {
    condition     = length(aws_budgets_budget.monthly) == 1
    error_message = "budget: there is none"
  }

  assert {
    condition     = contains(local.repositories, "arn:aws:ecr:us-east-1:111122223333:repository/team/tfod")
    error_message = "images: a repository elsewhere may not be read"
  }
}

run "several_gpus" {
  command = plan

  variables {
    gpus           = 4
    instance_types = ["g4dn.12xlarge"]
  }

  override_data {
    target = data.aws_ec2_instance_type.hosts
    values = {
      memory_size   = 196608
      default_vcpus = 48
      gpus          = [{ count = 4, manufacturer = "NVIDIA", memory_size = 16384, name = "T4" }]
    }
  }

  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = {
      instance_types = ["g4dn.12xlarge"]
      locations      = ["eu-west-1a"]
    }
  }

  assert {
    condition     = local.tfod.resourceRequirements[0].value == "4" && local.task_memory == 188743 && local.task_cpu == 49152
    error_message = "gpus: the task does not ask for 4 and what goes with them"
  }
}

run "types_without_the_gpus" {
  command = plan

  variables {
    gpus = 4
  }

  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = {
      instance_types = ["g5.12xlarge"]
      locations      = ["eu-west-1a"]
    }
  }

  expect_failures = [data.aws_ec2_instance_type.hosts]
}

run "region_without_the_types" {
  command = plan

  override_data {
    target = data.aws_ec2_instance_type_offerings.zones
    values = {
      instance_types = []
      locations      = []
    }
  }

  expect_failures = [data.aws_ec2_instance_type_offerings.zones]
}

run "refused" {
  command = plan

  variables {
    project              = "Ecs_Project"
    region               = "ireland"
    gpus                 = 3
    instance_types       = []
    vpc_id               = "vpc-1"
    max_instances        = 0
    tfod_image           = "tfod:latest"
    backup_image         = "backup:latest"
    root_volume_gib      = 8
    log_retention_days   = 31
    artifacts_bucket     = "s3://mine"
    data_bucket          = "A"
    readable             = ["records"]
    permissions_boundary = "bound"
    budget_usd           = 5
    tags                 = { "aws:x" = "y" }
  }

  expect_failures = [
    var.project, var.region, var.instance_types, var.subnet_ids, var.max_instances, var.tfod_image,
    var.backup_image, var.root_volume_gib, var.log_retention_days, var.artifacts_bucket, var.data_bucket,
    var.readable, var.permissions_boundary, var.budget_email, var.tags,
  ]
}
