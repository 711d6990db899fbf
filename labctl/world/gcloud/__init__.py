"""The lab's `gcloud`: the notes' own command line, answered in the real client's words."""
