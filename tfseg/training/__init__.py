"""The task and its loop; importing it registers the task with Model Garden."""

from tfseg.training import task  # noqa: F401
