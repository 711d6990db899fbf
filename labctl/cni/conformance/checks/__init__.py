"""The checks, in the order in which they are asked: what only looks comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.cni.conformance.checks import (
    add,
    add_input,
    chain,
    check,
    check_broken,
    concurrency,
    delegation,
    delegation_failed,
    delete,
    delete_missing,
    error_form,
    errors,
    failed_add,
    families,
    gc,
    killed,
    neighbours,
    result,
    result_kernel,
    status,
    version,
)

if TYPE_CHECKING:
    from labctl.cni.conformance.check import Check

CHECKS: tuple[Check, ...] = (
    *version.CHECKS,
    *add.CHECKS,
    *add_input.CHECKS,
    *result.CHECKS,
    *result_kernel.CHECKS,
    *delete.CHECKS,
    *delete_missing.CHECKS,
    *check.CHECKS,
    *check_broken.CHECKS,
    *chain.CHECKS,
    *status.CHECKS,
    *gc.CHECKS,
    *errors.CHECKS,
    *failed_add.CHECKS,
    *delegation.CHECKS,
    *delegation_failed.CHECKS,
    *families.CHECKS,
    *neighbours.CHECKS,
    *concurrency.CHECKS,
    *killed.CHECKS,
    # Looks at every error that the others met.
    *error_form.CHECKS,
)
