"""Training data from dataset folders and tone banks: tables, blocks, examples, loader, evaluation pairs."""
