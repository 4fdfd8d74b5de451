"""Which Triton kernels a package has, and with which tiles."""
