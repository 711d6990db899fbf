"""What learners type wrong, step by step, and what verify has to say of it."""

from __future__ import annotations

from tests.wrong_answers_kubernetes import KUBERNETES
from tests.wrong_answers_network import NETWORK

WRONG = {**NETWORK, **KUBERNETES}
