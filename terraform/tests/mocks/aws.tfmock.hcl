# An AWS that answers what the stack asks before it can be planned.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
}

mock_data "aws_region" {
  defaults = { name = "eu-west-1" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
}

mock_data "aws_ec2_instance_type_offerings" {
  defaults = {
    instance_types = ["g5.xlarge", "g4dn.xlarge", "g5.xlarge", "g4dn.2xlarge"]
    locations      = ["eu-west-1a", "eu-west-1a", "eu-west-1b", "eu-west-1b"]
    location_types = ["availability-zone", "availability-zone", "availability-zone", "availability-zone"]
  }
}

mock_data "aws_ec2_instance_type" {
  defaults = {
    memory_size   = 16384
    default_vcpus = 4
    gpus          = [{ count = 1, manufacturer = "NVIDIA", memory_size = 16384, name = "T4" }]
  }
}

mock_data "aws_ssm_parameter" {
  defaults = { insecure_value = "ami-0123456789abcdef0" }
}

mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/tfod" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/tfod" }
}

mock_resource "aws_cloudwatch_event_rule" {
  defaults = { arn = "arn:aws:events:eu-west-1:123456789012:rule/tfod" }
}

mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:eu-west-1:123456789012:repository/tfod/image"
    repository_url = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/tfod/image"
  }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/tfod-eu-west-1-role" }
}

mock_resource "aws_iam_instance_profile" {
  defaults = { arn = "arn:aws:iam::123456789012:instance-profile/tfod-eu-west-1-host" }
}

mock_resource "aws_autoscaling_group" {
  defaults = { arn = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:1:autoScalingGroupName/tfod" }
}

mock_resource "aws_ecs_capacity_provider" {
  defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:capacity-provider/tfod" }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/tfod:1" }
}

mock_resource "aws_sfn_state_machine" {
  defaults = { arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:tfod" }
}

mock_resource "aws_launch_template" {
  defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
}

mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::tfod-bucket" }
}
