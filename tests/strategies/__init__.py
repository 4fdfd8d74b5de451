"""Random whole specs, valid by construction, as the mappings that YAML files hold."""

from tests.strategies.pooled import specs as pooled_specs
from tests.strategies.stacks import specs as pair_specs
from tests.strategies.text import specs
from tests.strategies.vision import specs as image_specs

__all__ = ["image_specs", "pair_specs", "pooled_specs", "specs"]
