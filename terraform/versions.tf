terraform {
  # 1.10 brought the lock file of the S3 backend, 1.9 validations across variables.
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region  = var.region
  profile = var.profile

  default_tags {
    tags = local.tags
  }
}

data "aws_caller_identity" "here" {}

data "aws_region" "here" {}

data "aws_partition" "here" {}

locals {
  account   = data.aws_caller_identity.here.account_id
  region    = data.aws_region.here.name
  partition = data.aws_partition.here.partition

  # Roles are known in every region of an account, so their names say which one they serve.
  global_name = "${var.project}-${local.region}"

  tags = merge(var.tags, {
    project    = var.project
    managed-by = "terraform"
  })
}
