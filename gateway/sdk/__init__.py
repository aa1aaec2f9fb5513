"""What a plug-in may use: the public floor, with the domain re-exported by its own modules."""
