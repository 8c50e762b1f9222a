"""The page: the report as HTML with plots, and the network as a map of its layers."""
