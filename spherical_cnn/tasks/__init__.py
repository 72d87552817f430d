"""What a finished run, or a shape in a file, is used for."""
