# Two state machines. `runs` sees one run to its end, with no laptop attached: it starts the task, waits,
# starts it again after an interruption, goes from spot to on-demand where that is allowed, and stops
# at the deadline. `spot` turns AWS's warning into StopTask, so that the trainer saves in time.

locals {
  states = "arn:${local.partition}:states:::"

  # Retried: the call may have failed before anything was done, or twice does no harm.
  retry = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 2, MaxAttempts = 6, BackoffRate = 2 }]
}

resource "aws_sfn_state_machine" "runs" {
  name     = "${var.project}-runs"
  role_arn = aws_iam_role.role["runs"].arn
  type     = "STANDARD"

  definition = templatefile("${path.module}/runs.asl.json.tftpl", {
    states      = local.states
    cluster     = aws_ecs_cluster.this.arn
    family      = aws_ecs_task_definition.run.family
    definition  = aws_ecs_task_definition.run.arn
    on_demand   = aws_ecs_capacity_provider.hosts["on-demand"].name
    spot        = aws_ecs_capacity_provider.hosts["spot"].name
    max_seconds = var.max_run_hours * 3600
    retry       = jsonencode(local.retry)
  })

  depends_on = [aws_iam_role_policy.role, aws_ecs_cluster_capacity_providers.this]
}

resource "aws_sfn_state_machine" "spot" {
  name     = "${var.project}-spot"
  role_arn = aws_iam_role.role["spot"].arn
  type     = "STANDARD"

  definition = templatefile("${path.module}/spot.asl.json.tftpl", {
    states  = local.states
    cluster = aws_ecs_cluster.this.arn
    retry   = jsonencode(local.retry)
  })
}

# The warning names an instance, not its cluster: the state machine looks whether it is one of ours.
resource "aws_cloudwatch_event_rule" "spot" {
  name        = "${var.project}-spot"
  description = "AWS takes a spot instance back in two minutes"
  event_pattern = jsonencode({
    source      = ["aws.ec2"]
    detail-type = ["EC2 Spot Instance Interruption Warning"]
  })
}

resource "aws_cloudwatch_event_target" "spot" {
  rule      = aws_cloudwatch_event_rule.spot.name
  target_id = "stop-tasks"
  arn       = aws_sfn_state_machine.spot.arn
  role_arn  = aws_iam_role.role["events"].arn

  input_transformer {
    input_paths    = { instance = "$.detail.instance-id" }
    input_template = "{\"instance\": <instance>}"
  }
}
