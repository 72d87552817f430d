"""TFRecords of spherical signals: the schema, and shards as `tf.data` pipelines."""
