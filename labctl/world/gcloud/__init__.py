"""The lab's `gcloud`: the notes' own command line, answered in the real client's words."""

from labctl.world.gcloud.client import Answer, answer

__all__ = ["Answer", "answer"]
