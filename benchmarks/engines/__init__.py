"""The engines: ours and its peers, each computing the same tables stage by stage from files to files."""
