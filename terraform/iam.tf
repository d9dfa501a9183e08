# Who may do what. A policy names `*` only where AWS knows no narrower resource for the action.

locals {
  trust = {
    for name, service in {
      host      = "ec2.amazonaws.com"
      execution = "ecs-tasks.amazonaws.com"
      task      = "ecs-tasks.amazonaws.com"
      runs      = "states.amazonaws.com"
      spot      = "states.amazonaws.com"
      events    = "events.amazonaws.com"
      } : name => jsonencode({
        Version = "2012-10-17"
        Statement = [merge(
          { Effect = "Allow", Principal = { Service = service }, Action = "sts:AssumeRole" },
          # Against a service that is tricked into acting for another account; EC2 does not say for whom.
          name == "host" ? {} : { Condition = { StringEquals = { "aws:SourceAccount" = local.account } } },
        )]
    })
  }

  arns = {
    cluster      = aws_ecs_cluster.this.arn
    hosts        = "arn:${local.partition}:ecs:${local.region}:${local.account}:container-instance/${var.project}/*"
    tasks        = "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${var.project}/*"
    family       = "arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${var.project}:*"
    instances    = "arn:${local.partition}:ec2:${local.region}:${local.account}:instance/*"
    artifacts    = "arn:${local.partition}:s3:::${local.artifacts_bucket}"
    data         = "arn:${local.partition}:s3:::${local.data_bucket}"
    log_streams  = "${aws_cloudwatch_log_group.tasks.arn}:*"
    event_stream = "${aws_cloudwatch_log_group.events.arn}:*"
    # Step Functions waits for tasks through a rule of its own with this name.
    sync_rule = "arn:${local.partition}:events:${local.region}:${local.account}:rule/StepFunctionsGetEventsForECSTaskRule"
  }

  in_cluster = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.this.arn } }

  # The repositories that the task's images come from: the stack's own, and other ones of ECR.
  ecr_parts = [
    for image in compact([var.tfod_image, var.backup_image]) :
    regex("^([0-9]{12})[.]dkr[.]ecr[.]([a-z0-9-]+)[.]amazonaws[.]com(?:[.]cn)?/([^@:]+)", image)
    if can(regex("^[0-9]{12}[.]dkr[.]ecr[.]", image))
  ]
  repositories = concat(
    [for repository in aws_ecr_repository.images : repository.arn],
    [for parts in local.ecr_parts : "arn:${local.partition}:ecr:${parts[1]}:${parts[0]}:repository/${parts[2]}"],
  )

  readable = [for url in var.readable : regex("^s3://([^/]+)/?(.*)$", url)]

  policies = {
    host      = local.host_statements
    execution = local.execution_statements
    task      = local.task_statements
    runs      = local.runs_statements
    spot      = local.spot_statements
    events    = local.events_statements
  }

  # The ECS agent, and the SSM agent for a tunnel to the instance.
  host_statements = [
    {
      Sid      = "JoinCluster"
      Effect   = "Allow"
      Action   = ["ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance", "ecs:SubmitAttachmentStateChanges", "ecs:SubmitContainerStateChange", "ecs:SubmitTaskStateChange"]
      Resource = local.arns.cluster
    },
    {
      Sid       = "ServeCluster"
      Effect    = "Allow"
      Action    = ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState"]
      Resource  = local.arns.hosts
      Condition = local.in_cluster
    },
    {
      Sid      = "Tunnel"
      Effect   = "Allow"
      Action   = "ssm:UpdateInstanceInformation"
      Resource = local.arns.instances
    },
    {
      Sid      = "NoNarrowerResource"
      Effect   = "Allow"
      Action   = concat(["ecs:DiscoverPollEndpoint"], local.tunnel_actions)
      Resource = "*"
    },
  ]

  tunnel_actions = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]

  # Pulls images and writes the containers' log.
  execution_statements = [
    {
      Sid      = "PullImages"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = local.repositories
    },
    {
      Sid      = "WriteLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = local.arns.log_streams
    },
    {
      Sid      = "NoNarrowerResource"
      Effect   = "Allow"
      Action   = "ecr:GetAuthorizationToken"
      Resource = "*"
    },
  ]

  # The containers themselves: they keep artifacts, read data, and carry the tunnel.
  task_statements = concat(
    [
      {
        Sid      = "KeepArtifacts"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = ["${local.arns.artifacts}/${var.project}/*"]
      },
      {
        Sid      = "ReadData"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.arns.data}/${var.project}/*"]
      },
      {
        Sid       = "ListOwnPrefix"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = distinct([local.arns.artifacts, local.arns.data])
        Condition = { StringLike = { "s3:prefix" = ["${var.project}/*"] } }
      },
      {
        # The sidecar goes on with what an earlier attempt began to send; S3 knows no prefix for it.
        Sid      = "FindUnfinishedUploads"
        Effect   = "Allow"
        Action   = ["s3:ListBucketMultipartUploads"]
        Resource = [local.arns.artifacts]
      },
      {
        Sid      = "NoNarrowerResource"
        Effect   = "Allow"
        Action   = local.tunnel_actions
        Resource = "*"
      },
    ],
    local.readable_statements,
  )

  # Records elsewhere: the task reads them, and who starts it looks first whether they are there.
  readable_statements = concat(
    [
      for number, place in local.readable : {
        Sid      = "ReadReadable${number}"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:${local.partition}:s3:::${place[0]}/${place[1]}*"]
      }
    ],
    [
      for number, place in local.readable : {
        Sid       = "ListReadable${number}"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:${local.partition}:s3:::${place[0]}"]
        Condition = { StringLike = { "s3:prefix" = ["${place[1]}*"] } }
      }
    ],
  )

  start_task_statements = [
    {
      Sid       = "StartTasks"
      Effect    = "Allow"
      Action    = ["ecs:RunTask"]
      Resource  = local.arns.family
      Condition = local.in_cluster
    },
    {
      Sid       = "TagTasks"
      Effect    = "Allow"
      Action    = ["ecs:TagResource"]
      Resource  = local.arns.tasks
      Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
    },
    {
      Sid       = "GiveTasksTheirRoles"
      Effect    = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = [aws_iam_role.role["execution"].arn, aws_iam_role.role["task"].arn]
      Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
    },
  ]

  # ListTasks takes the container instance for its resource, and has none for a family's tasks.
  find_task_statements = [
    {
      Sid       = "WatchTasks"
      Effect    = "Allow"
      Action    = ["ecs:DescribeTasks", "ecs:StopTask"]
      Resource  = local.arns.tasks
      Condition = local.in_cluster
    },
    {
      Sid       = "FindTasks"
      Effect    = "Allow"
      Action    = ["ecs:ListTasks"]
      Resource  = "*"
      Condition = local.in_cluster
    },
  ]

  runs_statements = concat(local.start_task_statements, local.find_task_statements, [
    {
      Sid      = "WaitForTasks"
      Effect   = "Allow"
      Action   = ["events:PutTargets", "events:PutRule", "events:DescribeRule"]
      Resource = local.arns.sync_rule
    },
  ])

  spot_statements = concat(local.find_task_statements, [
    {
      Sid      = "FindHost"
      Effect   = "Allow"
      Action   = ["ecs:ListContainerInstances"]
      Resource = local.arns.cluster
    },
  ])

  events_statements = [
    {
      Sid      = "StopWhatIsInterrupted"
      Effect   = "Allow"
      Action   = ["states:StartExecution"]
      Resource = aws_sfn_state_machine.spot.arn
    },
  ]
}

resource "aws_iam_role" "role" {
  for_each = local.trust

  name                 = "${local.global_name}-${each.key}"
  description          = "${title(each.key)} of ${var.project} in ${local.region}"
  assume_role_policy   = each.value
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "role" {
  for_each = local.policies

  name   = each.key
  role   = aws_iam_role.role[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

resource "aws_iam_instance_profile" "host" {
  name = "${local.global_name}-host"
  role = aws_iam_role.role["host"].name
}
