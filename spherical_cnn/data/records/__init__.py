"""TFRecords in the original's format: schema, codec, pipeline, build."""
