"""Files of meshes and point clouds: readers, and a writer of meshes."""
