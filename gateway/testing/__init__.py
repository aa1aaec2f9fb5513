"""Public test kit for plug-in authors."""
