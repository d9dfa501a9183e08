# What the CLI reads: `terraform output -json > configs.json`. The first six are those of the original
# toolkit.

output "region" {
  description = "AWS region of the stack."
  value       = local.region
}

output "profile" {
  description = "AWS profile of the stack; empty where the environment's credentials are used."
  value       = var.profile == null ? "" : var.profile
}

output "cluster_id" {
  description = "ARN of the ECS cluster."
  value       = aws_ecs_cluster.this.id
}

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "task_definition" {
  description = "ARN of the task definition, with its revision."
  value       = aws_ecs_task_definition.run.arn
}

output "log_group" {
  description = "CloudWatch log group of the containers; streams are task/CONTAINER/TASK ID."
  value       = aws_cloudwatch_log_group.tasks.name
}

output "project" {
  description = "Name of the stack, and the prefix of what it keeps in its buckets."
  value       = var.project
}

output "artifacts_bucket" {
  description = "Bucket of checkpoints and models, which lie under PROJECT/RUN/."
  value       = local.artifacts_bucket
}

output "data_bucket" {
  description = "Bucket of records and configs, which lie under PROJECT/."
  value       = local.data_bucket
}

output "capacity_providers" {
  description = "Capacity providers by kind of purchase: spot, on-demand."
  value       = { for kind, provider in aws_ecs_capacity_provider.hosts : kind => provider.name }
}

output "autoscaling_groups" {
  description = "Auto-scaling groups by kind of purchase; their activities say why no instance comes up."
  value       = { for kind, group in aws_autoscaling_group.hosts : kind => group.name }
}

output "instance_types" {
  description = "Instance types in the order of preference, without those that the region lacks."
  value       = local.types
}

output "gpus" {
  description = "GPUs of a task."
  value       = var.gpus
}

output "state_machine" {
  description = "ARN of the state machine that sees a run to its end."
  value       = aws_sfn_state_machine.runs.arn
}

output "events_log_group" {
  description = "CloudWatch log group of the tasks' changes."
  value       = aws_cloudwatch_log_group.events.name
}

output "repositories" {
  description = "ECR repositories by image: tfod, backup."
  value       = { for name, repository in aws_ecr_repository.images : name => repository.repository_url }
}

output "images" {
  description = "Images of the task by digest; null where none was pushed yet."
  value       = local.images
}

output "runner_policy" {
  description = "IAM policy, in JSON, of someone who only runs tasks."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.runner_statements })
}
