"""Another library's config.json -> a spec, and its checkpoints as tensors by name.

A model type is data: one mapping file in huggingface/ (docs/importing.md says how to write one).
`codegen.commands.import_` joins this with rendering; here nothing is rendered or written.
"""
