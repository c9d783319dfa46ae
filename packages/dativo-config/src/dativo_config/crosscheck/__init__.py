"""Checks between the parts of a job, and between the jobs of a project."""
