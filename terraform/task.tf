# One task: restore -> backup -> tfod and tensorboard. ECS starts containers in this order and stops
# them in the reverse one, each within its own time; all four share the run's folder.

locals {
  workdir = "/opt/tfod"

  # The kernel and the agent need some of what a type has by name.
  task_memory = local.smallest_memory - max(1024, ceil(local.smallest_memory * 0.04))
  task_cpu    = local.smallest_vcpus * 1024

  # An image that was never pushed has no digest; this one makes a task fail with that reason. The
  # registry's name is put together so that a plan shows the whole task before anything is made.
  registry = "${local.account}.dkr.ecr.${local.region}.${data.aws_partition.here.dns_suffix}"
  image_refs = {
    for name, image in local.images :
    name => coalesce(image, "${local.registry}/${var.project}/${name}@sha256:${join("", [for _ in range(64) : "0"])}")
  }

  run_mount = {
    sourceVolume  = "experiments"
    containerPath = "${local.workdir}/experiments"
    readOnly      = false
  }

  # A run adds its name (M1L0_JOBID) when it starts.
  sidecar_environment = [
    { name = "M1L0_WORKING_DIR", value = local.run_mount.containerPath },
    { name = "M1L0_OUTPUT", value = local.artifacts_bucket },
    { name = "M1L0_FAMILY", value = var.project },
    { name = "M1L0_REGION", value = local.region },
  ]

  # What is common to the four. The log is sent without ever holding up training; what does not fit
  # into the buffer is dropped here and kept in S3.
  container = {
    cpu                    = 0
    essential              = false
    readonlyRootFilesystem = true
    privileged             = false
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.tasks.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "task"
        mode                  = "non-blocking"
        max-buffer-size       = "25m"
      }
    }
  }

  sidecar = merge(local.container, {
    image       = local.image_refs.backup
    entryPoint  = ["tfod", "sidecar"]
    environment = local.sidecar_environment
    mountPoints = [local.run_mount]
    memory      = 512
    linuxParameters = {
      initProcessEnabled = true
      tmpfs              = [{ containerPath = "/tmp", size = 64, mountOptions = ["rw", "nosuid", "nodev"] }]
    }
  })

  restore = merge(local.sidecar, {
    name         = "restore"
    command      = ["restore"]
    startTimeout = 3600
    stopTimeout  = 30
  })

  backup = merge(local.sidecar, {
    name          = "backup"
    command       = ["backup"]
    essential     = true
    dependsOn     = [{ containerName = "restore", condition = "SUCCESS" }]
    restartPolicy = { enabled = true, restartAttemptPeriod = 60 }
    stopTimeout   = var.flush_seconds
  })

  tfod = merge(local.container, {
    name                 = "tfod"
    image                = local.image_refs.tfod
    essential            = true
    dependsOn            = [{ containerName = "backup", condition = "START" }]
    stopTimeout          = 60
    resourceRequirements = [{ type = "GPU", value = tostring(var.gpus) }]
    environment = concat(local.sidecar_environment, [
      { name = "TFOD_ZOO_CACHE", value = "${local.workdir}/models" },
      # It has a container of its own.
      { name = "TFOD_TENSORBOARD_PORT", value = "0" },
    ])
    mountPoints = [
      local.run_mount,
      { sourceVolume = "records", containerPath = "${local.workdir}/records", readOnly = false },
      { sourceVolume = "models", containerPath = "${local.workdir}/models", readOnly = false },
      { sourceVolume = "scratch", containerPath = "/tmp", readOnly = false },
    ]
    linuxParameters = {
      initProcessEnabled = true
      sharedMemorySize   = var.shared_memory_mib
    }
  })

  # ECS Exec, which carries the tunnel, writes to the root of the container it enters.
  tensorboard = merge(local.container, {
    name                   = "tensorboard"
    image                  = local.image_refs.tfod
    entryPoint             = ["tensorboard"]
    command                = ["--logdir", "${local.run_mount.containerPath}/training", "--bind_all", "--port", "6006"]
    dependsOn              = [{ containerName = "backup", condition = "START" }]
    readonlyRootFilesystem = false
    memory                 = 2048
    stopTimeout            = 5
    environment            = []
    mountPoints            = [merge(local.run_mount, { readOnly = true })]
    # A port of the host's choosing: for tunnels to the instance, since nothing else gets in.
    portMappings    = [{ containerPort = 6006, hostPort = 0, protocol = "tcp" }]
    linuxParameters = { initProcessEnabled = true }
  })
}

resource "aws_ecs_task_definition" "run" {
  family                   = var.project
  requires_compatibilities = ["EC2"]
  network_mode             = "bridge"
  cpu                      = local.task_cpu
  memory                   = local.task_memory
  execution_role_arn       = aws_iam_role.role["execution"].arn
  task_role_arn            = aws_iam_role.role["task"].arn

  container_definitions = jsonencode([local.restore, local.backup, local.tfod, local.tensorboard])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  # Volumes of the task alone: they begin empty and end with it, so that no run sees another's files.
  dynamic "volume" {
    for_each = ["experiments", "records", "models", "scratch"]

    content {
      name = volume.value

      docker_volume_configuration {
        scope  = "task"
        driver = "local"
      }
    }
  }
}
