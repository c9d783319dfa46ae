"""Files wherever they lie: local paths, S3, web servers."""
