# What tasks keep (artifacts) and what they read (data), and the images they run from.

locals {
  # What is to be made, by purpose; a bucket that was given is left as its owner has it.
  own_buckets = merge(
    var.artifacts_bucket == null ? { artifacts = "${var.project}-artifacts-${local.account}-${local.region}" } : {},
    var.data_bucket == null ? { data = "${var.project}-data-${local.account}-${local.region}" } : {},
  )
  artifacts_bucket = var.artifacts_bucket == null ? aws_s3_bucket.own["artifacts"].bucket : var.artifacts_bucket
  data_bucket      = var.data_bucket == null ? aws_s3_bucket.own["data"].bucket : var.data_bucket

  images = {
    tfod   = var.tfod_image
    backup = var.backup_image
  }
}

resource "aws_s3_bucket" "own" {
  for_each = local.own_buckets

  bucket        = each.value
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "own" {
  for_each = local.own_buckets

  bucket                  = aws_s3_bucket.own[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "own" {
  for_each = local.own_buckets

  bucket = aws_s3_bucket.own[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "own" {
  for_each = local.own_buckets

  bucket = aws_s3_bucket.own[each.key].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "own" {
  for_each = local.own_buckets

  bucket = aws_s3_bucket.own[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "own" {
  for_each = local.own_buckets

  bucket = aws_s3_bucket.own[each.key].id

  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "expire-old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.old_versions_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # S3 takes rules about versions once there are versions.
  depends_on = [aws_s3_bucket_versioning.own]
}

resource "aws_s3_bucket_policy" "own" {
  for_each = local.own_buckets

  bucket = aws_s3_bucket.own[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EncryptedConnectionsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.own[each.key].arn, "${aws_s3_bucket.own[each.key].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.own]
}

resource "aws_ecr_repository" "images" {
  for_each = local.images

  name                 = "${var.project}/${each.key}"
  image_tag_mutability = "IMMUTABLE"

  # Images are built from the source, and can be again.
  force_delete = true

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "images" {
  for_each = local.images

  repository = aws_ecr_repository.images[each.key].name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the last ${var.kept_images}"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.kept_images }
      action       = { type = "expire" }
    }]
  })
}
