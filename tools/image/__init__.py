"""Builds and runs the product's image on a machine with neither a Docker engine nor a registry: buildah and podman."""
