"""Model types that can be imported, by benchmarks/coverage.md, and those that nothing exports."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "benchmarks" / "coverage.md"
ROW = re.compile(r"\| (\S+) \| passed \|")


def passed() -> list[tuple[str, str]]:
    """Task and type of each row that passed."""
    found, task = [], ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            task = line[3:].strip()
        if row := ROW.match(line):
            found.append((task, row[1]))
    return found


PASSED = passed()
# Of which other parts are not in the package, or which transformers loads by no such class.
PARTS = (
    *("audioflamingo3", "dbrx", "emu3", "fuyu", "gemma3", "gemma3n", "gemma4", "gemma4_unified"),
    *("git", "glmasr", "got_ocr2", "granite_speech", "granite_speech_plus", "mllama"),
    *("modernvbert", "moss_transcribe_diarize", "musicflamingo", "phi4_multimodal"),
    *("qwen2_audio", "qwen3_asr", "voxtral"),
)
# Whose fields are not found from a spec.
NOT_FOUND = (
    *("clip", "gemma4_text", "gemma4_unified_text", "lfm3", "metaclip_2", "siglip", "t5gemma"),
)
REFUSED = {(task, name) for task, name in PASSED if name in (*PARTS, *NOT_FOUND)}
# The same of settings of a type by their numbers, with others of its options: scalings of positions
# of which a part of a head turns, widths that are rounded, one of two features.
OF_TYPES = {
    1: ("beam", "dinov2", "dinov2_with_registers", "roc_bert"),
    2: (
        *("dinov2", "dinov2_with_registers", "glm", "glm4", "gpt_neox", "mimo_v2_flash"),
        *("persimmon", "phi", "roc_bert", "stablelm"),
    ),
}
OPTIONS = {
    (task, name, index)
    for index, names in OF_TYPES.items()
    for task, name in PASSED
    if name in names
}
