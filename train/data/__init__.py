"""Reading dataset folders for training: tables, blocks, examples, the loader, evaluation pairs."""
