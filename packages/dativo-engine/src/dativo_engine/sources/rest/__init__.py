"""Any JSON API, described in YAML."""
