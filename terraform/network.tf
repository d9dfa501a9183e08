# A VPC with a public and a private subnet in every zone. Neither costs anything; which of them the
# instances use is `private`. Nothing is let in from anywhere.

data "aws_availability_zones" "here" {
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
  filter {
    name   = "zone-type"
    values = ["availability-zone"]
  }

  lifecycle {
    postcondition {
      condition     = length(self.names) >= 2
      error_message = "Region ${local.region} has fewer than two availability zones: choose another."
    }
  }
}

locals {
  own_network = var.vpc_id == null

  # A zone's subnets follow from its letter, so that they stay where they are when zones come and go.
  letters = ["a", "b", "c", "d", "e", "f", "g", "h"]
  zones = local.own_network ? {
    for zone in data.aws_availability_zones.here.names : zone => index(local.letters, substr(zone, -1, 1))
    if contains(local.letters, substr(zone, -1, 1))
  } : {}

  vpc_id       = local.own_network ? aws_vpc.own[0].id : var.vpc_id
  own_subnets  = var.private ? aws_subnet.private : aws_subnet.public
  host_subnets = local.own_network ? [for zone, subnet in local.own_subnets : subnet.id if contains(local.host_zones, zone)] : var.subnet_ids
  nat_zone     = local.own_network && var.private ? { for zone in slice(sort(keys(local.zones)), 0, 1) : zone => local.zones[zone] } : {}
}

resource "aws_vpc" "own" {
  count = local.own_network ? 1 : 0

  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.project }
}

# A VPC comes with a security group that lets its members talk to each other: emptied here.
resource "aws_default_security_group" "own" {
  count = local.own_network ? 1 : 0

  vpc_id = aws_vpc.own[0].id

  tags = { Name = "${var.project}-unused" }
}

resource "aws_internet_gateway" "own" {
  count = local.own_network ? 1 : 0

  vpc_id = aws_vpc.own[0].id

  tags = { Name = var.project }
}

resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id            = aws_vpc.own[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, each.value)

  tags = { Name = "${var.project}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id            = aws_vpc.own[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, each.value + 8)

  tags = { Name = "${var.project}-private-${each.key}" }
}

resource "aws_route_table" "public" {
  count = local.own_network ? 1 : 0

  vpc_id = aws_vpc.own[0].id

  tags = { Name = "${var.project}-public" }
}

resource "aws_route" "internet" {
  count = local.own_network ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.own[0].id
}

resource "aws_route_table_association" "public" {
  for_each = local.zones

  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_route_table" "private" {
  count = local.own_network ? 1 : 0

  vpc_id = aws_vpc.own[0].id

  tags = { Name = "${var.project}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = local.zones

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[0].id
}

resource "aws_eip" "nat" {
  for_each = local.nat_zone

  domain = "vpc"

  tags = { Name = "${var.project}-nat" }

  depends_on = [aws_internet_gateway.own]
}

resource "aws_nat_gateway" "own" {
  for_each = local.nat_zone

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = var.project }

  depends_on = [aws_route.internet]
}

resource "aws_route" "nat" {
  for_each = local.nat_zone

  route_table_id         = aws_route_table.private[0].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.own[each.key].id
}

# Checkpoints and records go to S3 without passing the NAT gateway. Gateway endpoints are free.
resource "aws_vpc_endpoint" "s3" {
  count = local.own_network ? 1 : 0

  vpc_id            = aws_vpc.own[0].id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public[0].id, aws_route_table.private[0].id]

  tags = { Name = "${var.project}-s3" }
}

resource "aws_security_group" "hosts" {
  name        = "${var.project}-hosts"
  description = "Instances of ${var.project}: nothing in, HTTP and HTTPS out"
  vpc_id      = local.vpc_id

  tags = { Name = "${var.project}-hosts" }
}

resource "aws_vpc_security_group_egress_rule" "hosts" {
  for_each = {
    https = { port = 443, why = "AWS, and downloads" }
    http  = { port = 80, why = "the model zoo, which is served over HTTP" }
  }

  security_group_id = aws_security_group.hosts.id
  description       = each.value.why
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port

  tags = { Name = "${var.project}-${each.key}" }
}
