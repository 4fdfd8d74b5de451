"""Stage 5: kernels -> tiles and a report. No part has a kernel of its own yet."""
