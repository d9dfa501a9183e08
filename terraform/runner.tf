# What someone needs who only runs tasks: `tfod runtask` and its companions, and nothing that changes
# the stack. An output, to be given to people by whatever means the account has for that.

locals {
  runner_statements = concat(
    local.start_task_statements,
    local.find_task_statements,
    [
      {
        Sid      = "StartRuns"
        Effect   = "Allow"
        Action   = ["states:StartExecution", "states:ListExecutions", "states:DescribeStateMachine"]
        Resource = aws_sfn_state_machine.runs.arn
      },
      {
        Sid      = "FollowRuns"
        Effect   = "Allow"
        Action   = ["states:DescribeExecution", "states:GetExecutionHistory", "states:StopExecution"]
        Resource = "arn:${local.partition}:states:${local.region}:${local.account}:execution:${aws_sfn_state_machine.runs.name}:*"
      },
      {
        Sid      = "SeeCluster"
        Effect   = "Allow"
        Action   = ["ecs:DescribeClusters", "ecs:ListContainerInstances"]
        Resource = local.arns.cluster
      },
      {
        Sid       = "SeeHosts"
        Effect    = "Allow"
        Action    = ["ecs:DescribeContainerInstances"]
        Resource  = local.arns.hosts
        Condition = local.in_cluster
      },
      {
        Sid      = "SeeProviders"
        Effect   = "Allow"
        Action   = ["ecs:DescribeCapacityProviders"]
        Resource = [for provider in aws_ecs_capacity_provider.hosts : provider.arn]
      },
      {
        Sid      = "ReadLog"
        Effect   = "Allow"
        Action   = ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"]
        Resource = [local.arns.log_streams, local.arns.event_stream]
      },
      {
        Sid      = "PutData"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = distinct(["${local.arns.data}/${var.project}/*", "${local.arns.artifacts}/${var.project}/*"])
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
        Sid      = "SeeQuota"
        Effect   = "Allow"
        Action   = ["servicequotas:GetServiceQuota"]
        Resource = "arn:${local.partition}:servicequotas:${local.region}:${local.account}:ec2/*"
      },
      {
        Sid    = "NoNarrowerResource"
        Effect = "Allow"
        Action = [
          "autoscaling:DescribeAutoScalingGroups",
          "autoscaling:DescribeScalingActivities",
          "ec2:DescribeInstances",
          "ec2:DescribeSpotPriceHistory",
          "ecs:DescribeTaskDefinition",
          "pricing:GetProducts",
        ]
        Resource = "*"
      },
    ],
  )
}
