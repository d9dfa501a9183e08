variable "project" {
  description = "Name of the stack: it begins the name of everything in it, so that several live side by side in one account."
  type        = string
  default     = "tfod"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.project)) && !can(regex("--", var.project))
    error_message = "project must be 2 to 20 lower-case letters, digits and single hyphens, begin with a letter and not end with a hyphen: S3 refuses other names."
  }

  validation {
    condition     = !can(regex("^(aws|ecs|fargate|sthree)", lower(var.project)))
    error_message = "project must not begin with aws, ecs, fargate or sthree: AWS keeps these for itself."
  }
}

variable "region" {
  description = "AWS region; null takes that of the environment or the profile."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-west-1."
  }
}

variable "profile" {
  description = "AWS profile; null takes the credentials of the environment."
  type        = string
  default     = null
}

variable "tags" {
  description = "Further tags for everything that can carry them."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "A tag must not begin with aws: AWS keeps these for itself."
  }
}

# Network

variable "vpc_cidr" {
  description = "Addresses of the stack's own VPC; a sixteenth of them goes to each subnet."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /24, such as 10.20.0.0/16."
  }
}

variable "private" {
  description = "Put instances into private subnets behind one NAT gateway, which costs about 33 USD a month while idle, instead of public ones without inbound rules."
  type        = bool
  default     = false
}

variable "vpc_id" {
  description = "An existing VPC to use instead of one of the stack's own; needs subnet_ids."
  type        = string
  default     = null

  validation {
    condition     = var.vpc_id == null || can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must be the id of a VPC, such as vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Existing subnets of vpc_id for the instances; they must lead to the internet, or to endpoints of S3, ECR, ECS, CloudWatch Logs and SSM."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must be ids of subnets, such as subnet-0123456789abcdef0."
  }

  validation {
    condition     = (var.vpc_id == null) == (length(var.subnet_ids) == 0)
    error_message = "vpc_id and subnet_ids go together: give both, or neither for a network of the stack's own."
  }
}

# Cluster

variable "gpus" {
  description = "GPUs of a task, and of each instance."
  type        = number
  default     = 1

  validation {
    condition     = var.gpus >= 1 && floor(var.gpus) == var.gpus
    error_message = "gpus must be a whole number from 1."
  }

  validation {
    condition     = contains([1, 4, 8], var.gpus) || var.instance_types != null
    error_message = "There are default instance types for 1, 4 and 8 gpus; for another number give instance_types."
  }
}

variable "instance_types" {
  description = "Instance types in the order of preference; those that the region lacks are left out. null takes the default list for the number of gpus."
  type        = list(string)
  default     = null

  validation {
    condition     = var.instance_types == null || (length(coalesce(var.instance_types, [])) >= 1 && length(coalesce(var.instance_types, [])) <= 40)
    error_message = "instance_types must name 1 to 40 types: an auto-scaling group takes no more."
  }

  validation {
    condition     = alltrue([for type in coalesce(var.instance_types, []) : can(regex("^[a-z0-9-]+[.][a-z0-9-]+$", type))])
    error_message = "instance_types must be names such as g5.xlarge."
  }
}

variable "max_instances" {
  description = "Instances at most in each of the two groups (spot, on-demand). From zero, ECS starts two at once where it may."
  type        = number
  default     = 1

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 100 && floor(var.max_instances) == var.max_instances
    error_message = "max_instances must be a whole number from 1 to 100."
  }
}

variable "container_insights" {
  description = "Metrics of CloudWatch Container Insights; they cost about 0.30 USD a metric and month while tasks run."
  type        = bool
  default     = false
}

variable "root_volume_gib" {
  description = "Size of an instance's root volume in GiB."
  type        = number
  default     = 100

  validation {
    condition     = var.root_volume_gib >= 40 && var.root_volume_gib <= 16384
    error_message = "root_volume_gib must be 40 to 16384: the AMI and the images need 40."
  }
}

variable "root_volume_throughput" {
  description = "Throughput of an instance's root volume in MiB/s; images are unpacked onto it where a type has no instance store."
  type        = number
  default     = 300

  validation {
    condition     = var.root_volume_throughput >= 125 && var.root_volume_throughput <= 750
    error_message = "root_volume_throughput must be 125 to 750: more needs more than the 3000 operations a second that come free."
  }
}

variable "registration_minutes" {
  description = "Minutes after which an instance that did not register with the cluster ends itself."
  type        = number
  default     = 10

  validation {
    condition     = var.registration_minutes >= 5 && var.registration_minutes <= 60
    error_message = "registration_minutes must be 5 to 60."
  }
}

# Task

variable "tfod_image" {
  description = "The trainer's image by digest; null is the stack's own repository, where `make push` puts it and notes its digest."
  type        = string
  default     = null

  validation {
    condition     = var.tfod_image == null || can(regex("^[^@[:space:]]+@sha256:[0-9a-f]{64}$", var.tfod_image))
    error_message = "tfod_image must name its digest, as in REPOSITORY@sha256:...: a tag may become another image between two attempts of a run."
  }
}

variable "backup_image" {
  description = "The sidecar's image by digest; null is the stack's own repository."
  type        = string
  default     = null

  validation {
    condition     = var.backup_image == null || can(regex("^[^@[:space:]]+@sha256:[0-9a-f]{64}$", var.backup_image))
    error_message = "backup_image must name its digest, as in REPOSITORY@sha256:...: a tag may become another image between two attempts of a run."
  }
}

variable "shared_memory_mib" {
  description = "Size of the trainer's /dev/shm in MiB, through which several GPUs exchange gradients."
  type        = number
  default     = 2048

  validation {
    condition     = var.shared_memory_mib >= 64 && floor(var.shared_memory_mib) == var.shared_memory_mib
    error_message = "shared_memory_mib must be a whole number from 64."
  }
}

variable "flush_seconds" {
  description = "Seconds that the sidecar has, after the trainer's 60, to save what is not yet in S3."
  type        = number
  default     = 900

  validation {
    condition     = var.flush_seconds >= 30 && var.flush_seconds <= 3600 && floor(var.flush_seconds) == var.flush_seconds
    error_message = "flush_seconds must be a whole number from 30 to 3600."
  }
}

variable "max_run_hours" {
  description = "Hours after which the state machine gives up on a run, whatever its own deadline says."
  type        = number
  default     = 168

  validation {
    condition     = var.max_run_hours >= 1 && var.max_run_hours <= 8760
    error_message = "max_run_hours must be 1 to 8760: Step Functions keeps nothing longer than a year."
  }
}

# Storage

variable "artifacts_bucket" {
  description = "An existing bucket for checkpoints and models; null makes one."
  type        = string
  default     = null

  validation {
    condition     = var.artifacts_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.artifacts_bucket))
    error_message = "artifacts_bucket must be the name of a bucket, without s3://."
  }
}

variable "data_bucket" {
  description = "An existing bucket for records and configs; null makes one."
  type        = string
  default     = null

  validation {
    condition     = var.data_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.data_bucket))
    error_message = "data_bucket must be the name of a bucket, without s3://."
  }
}

variable "readable" {
  description = "Further places in S3 that a task may read, such as s3://bucket/prefix/."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for url in var.readable : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$", url))])
    error_message = "readable must be places in S3, such as s3://bucket/prefix/."
  }
}

variable "old_versions_days" {
  description = "Days after which overwritten and deleted objects, such as old checkpoints, are gone for good."
  type        = number
  default     = 7

  validation {
    condition     = var.old_versions_days >= 1 && floor(var.old_versions_days) == var.old_versions_days
    error_message = "old_versions_days must be a whole number from 1."
  }
}

variable "force_destroy" {
  description = "Let destroy delete buckets with all that is in them."
  type        = bool
  default     = false
}

variable "kept_images" {
  description = "Images that each repository keeps."
  type        = number
  default     = 10

  validation {
    condition     = var.kept_images >= 1 && floor(var.kept_images) == var.kept_images
    error_message = "kept_images must be a whole number from 1."
  }
}

# Permissions and watchfulness

variable "permissions_boundary" {
  description = "ARN of a policy that bounds every role of the stack."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of a policy."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the log; the whole log is in S3 as well."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "budget_usd" {
  description = "Monthly cost in USD that alarms budget_email at 80% and when it is forecast to be passed; null for no alarm. Counts what carries the tag project, once that is activated as a cost allocation tag."
  type        = number
  default     = null

  validation {
    condition     = var.budget_usd == null || coalesce(var.budget_usd, 1) > 0
    error_message = "budget_usd must be more than 0."
  }
}

variable "budget_email" {
  description = "Who is told of the budget."
  type        = string
  default     = null

  validation {
    condition     = (var.budget_usd == null) == (var.budget_email == null)
    error_message = "budget_usd and budget_email go together."
  }

  validation {
    condition     = var.budget_email == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+$", var.budget_email))
    error_message = "budget_email must be an address of e-mail."
  }
}
