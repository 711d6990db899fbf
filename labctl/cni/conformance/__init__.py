"""Any CNI plug-in held against the specification, version 1.1.0: a black box, called as a runtime calls it."""
