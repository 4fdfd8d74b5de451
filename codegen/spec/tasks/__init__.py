"""What each task adds to a spec: one file a task, one row each."""

from codegen.spec.tasks.causal_lm import CAUSAL_LM
from codegen.spec.tasks.classification import CLASSIFICATION
from codegen.spec.tasks.embedding import EMBEDDING
from codegen.spec.tasks.image_classification import IMAGE_CLASSIFICATION
from codegen.spec.tasks.image_embedding import IMAGE_EMBEDDING
from codegen.spec.tasks.image_segmentation import IMAGE_SEGMENTATION
from codegen.spec.tasks.image_to_image import IMAGE_TO_IMAGE
from codegen.spec.tasks.masked_lm import MASKED_LM
from codegen.spec.tasks.regression import REGRESSION
from codegen.spec.tasks.seq2seq_lm import SEQ2SEQ_LM
from codegen.spec.tasks.sequence_classification import SEQUENCE_CLASSIFICATION
from codegen.spec.tasks.super_resolution import SUPER_RESOLUTION
from codegen.spec.tasks.task import Task

ROWS = (
    *(CAUSAL_LM, MASKED_LM, SEQ2SEQ_LM, IMAGE_CLASSIFICATION),
    *(SEQUENCE_CLASSIFICATION, EMBEDDING, IMAGE_EMBEDDING, REGRESSION, CLASSIFICATION),
    *(SUPER_RESOLUTION, IMAGE_TO_IMAGE, IMAGE_SEGMENTATION),
)

TASKS: dict[str, Task] = {task.name: task for task in ROWS}
