"""Which commands there are, in the groups and the order in which the help names them."""

GROUPS = {
    "THE LAB": ("up", "down", "status", "reset", "doctor", "demo"),
    "STEPS": ("step", "hint", "explain"),
    "BY HAND": ("shell", "exec", "snapshot", "checkpoint", "report"),
    "CNI": ("cni",),
}
COMMANDS = tuple(name for names in GROUPS.values() for name in names)
