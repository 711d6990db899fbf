"""The steps as a CNI plug-in, `labnet`, and a check of any plug-in against the specification."""
