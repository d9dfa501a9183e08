# What someone needs who only runs tasks: `tfod runtask` and its companions, and nothing that changes
# the stack. An output, to be given to people by whatever means the account has for that.

locals {
  runner_statements = concat(
    local.start_task_statements,
    local.find_task_statements,
    local.readable_statements,
    [
      {
        Sid      = "StartRuns"
        Effect   = "Allow"
        Action   = ["states:StartExecution", "states:ListExecutions"]
        Resource = aws_sfn_state_machine.runs.arn
      },
      {
        Sid      = "FollowRuns"
        Effect   = "Allow"
        Action   = ["states:DescribeExecution", "states:GetExecutionHistory", "states:StopExecution"]
        Resource = "arn:${local.partition}:states:${local.region}:${local.account}:execution:${aws_sfn_state_machine.runs.name}:*"
      },
      {
        Sid       = "SeeHosts"
        Effect    = "Allow"
        Action    = ["ecs:DescribeContainerInstances"]
        Resource  = local.arns.hosts
        Condition = local.in_cluster
      },
      {
        Sid      = "ReadLog"
        Effect   = "Allow"
        Action   = ["logs:DescribeLogStreams", "logs:FilterLogEvents"]
        Resource = local.arns.log_streams
      },
      {
        Sid      = "PutData"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = "${local.arns.data}/${var.project}/*"
      },
      {
        Sid      = "FetchArtifacts"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = "${local.arns.artifacts}/${var.project}/*"
      },
      {
        Sid       = "ListOwnPrefix"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = distinct([local.arns.artifacts, local.arns.data])
        Condition = { StringLike = { "s3:prefix" = ["${var.project}/*"] } }
      },
      {
        Sid       = "TunnelToTask"
        Effect    = "Allow"
        Action    = ["ssm:StartSession"]
        Resource  = [local.arns.tasks, "arn:${local.partition}:ssm:${local.region}::document/AWS-StartPortForwardingSession"]
        Condition = { BoolIfExists = { "ssm:SessionDocumentAccessCheck" = "true" } }
      },
      {
        Sid      = "TunnelToHost"
        Effect   = "Allow"
        Action   = ["ssm:StartSession"]
        Resource = local.arns.instances
        Condition = {
          BoolIfExists = { "ssm:SessionDocumentAccessCheck" = "true" }
          StringEquals = { "ssm:resourceTag/project" = var.project }
        }
      },
      {
        Sid      = "EndOwnTunnel"
        Effect   = "Allow"
        Action   = ["ssm:ResumeSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel"]
        Resource = "arn:${local.partition}:ssm:*:*:session/$${aws:userid}-*"
      },
      {
        Sid      = "NoNarrowerResource"
        Effect   = "Allow"
        Action   = ["autoscaling:DescribeScalingActivities", "ec2:DescribeSpotPriceHistory"]
        Resource = "*"
      },
    ],
  )
}
