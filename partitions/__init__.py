"""What a partition is: UTC days, experiments, their product and the mappings between them. No asset stands here."""
