"""How the world has its compute service stand by, and how a client is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.compute import ADDRESS, PORT
from labctl.model.lab import VPC
from labctl.world.gcloud.reference import PREFIX, PROJECT

if TYPE_CHECKING:
    from labctl.model.lab import Lab
    from labctl.model.ports import Kernel

ENDPOINT = f"http://{ADDRESS}:{PORT}{PREFIX}"
_PROGRAM = "/opt/labctl/bin/vpc-compute"

SETTINGS = {
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": ENDPOINT,
    "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    "CLOUDSDK_CORE_PROJECT": PROJECT,
    # It asks nobody but the vpc: neither for news of itself, nor where it runs, nor what you think of it.
    "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
    "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "true",
    "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
    "CLOUDSDK_CORE_SURVEY_DISABLE_PROMPTS": "true",
}
"""What a real gcloud is told so that it speaks with the lab's vpc, and with nobody else."""


def attend_compute(kernel: Kernel, lab: Lab) -> None:
    """Have the vpc attend callers on all machines; where it does already, nothing is done."""
    places = (*lab.outer, *(node.place for node in lab.nodes))
    kernel.programs(VPC).attend((_PROGRAM,), PORT, places)
