# What is kept of what happened: the containers' log, the changes of tasks, and an alarm about cost.

resource "aws_cloudwatch_log_group" "tasks" {
  name              = "/ecs/${var.project}"
  retention_in_days = var.log_retention_days
}

# EventBridge writes to groups of this name.
resource "aws_cloudwatch_log_group" "events" {
  name              = "/aws/events/${var.project}"
  retention_in_days = var.log_retention_days
}

resource "aws_cloudwatch_log_resource_policy" "events" {
  policy_name = "${var.project}-events"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = ["events.amazonaws.com", "delivery.logs.amazonaws.com"] }
      Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource  = "${aws_cloudwatch_log_group.events.arn}:*"
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.tasks.arn } }
    }]
  })
}

resource "aws_cloudwatch_event_rule" "tasks" {
  name        = "${var.project}-tasks"
  description = "Changes of the tasks of ${var.project}, which ECS itself forgets after an hour"
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail      = { clusterArn = [aws_ecs_cluster.this.arn] }
  })
}

resource "aws_cloudwatch_event_target" "tasks" {
  rule      = aws_cloudwatch_event_rule.tasks.name
  target_id = "log"
  arn       = aws_cloudwatch_log_group.events.arn
}

resource "aws_budgets_budget" "monthly" {
  count = var.budget_usd == null ? 0 : 1

  name         = local.global_name
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:project$%s", var.project)]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      notification_type          = notification.key
      subscriber_email_addresses = [var.budget_email]
    }
  }
}
