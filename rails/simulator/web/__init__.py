"""How requests come in and replies go out: HTTP by hand, because going wrong on the wire is what a simulator is for."""
