"""Which type a task has that names none: by the words in it, the title counting more than the text."""

import re
from collections import Counter

from deia_tui.core.work.tasks import TaskType

_WORDS = {
    TaskType.TESTING: "test tests tested testing pytest unittest coverage regression e2e qa fixture fuzz assert flaky",
    TaskType.DOCUMENTATION: "document documents documentation docs readme changelog docstring docstrings manual "
    "tutorial howto faq wiki",
    TaskType.CODE: "code coding implement implementation fix bug bugfix refactor function class method api endpoint "
    "build compile deploy script module library python javascript typescript rust sql regex hardening patch migrate "
    "feature commit merge lint",
    TaskType.ANALYSIS: "analyse analyze analysis investigate investigation review audit compare comparison evaluate "
    "benchmark measure profile research study diagnose inspect assess metrics why",
    TaskType.PLANNING: "plan plans planning roadmap schedule milestone milestones estimate prioritise prioritize "
    "backlog sprint strategy proposal architecture coordinate",
    TaskType.WRITING: "write writing draft blog article essay email letter announcement translate summarise summarize "
    "summary story newsletter post copy edit proofread",
}
"""A word belongs to one type; of types that are named equally often, the first here wins."""
_TYPE_OF = {word: task_type for task_type, words in _WORDS.items() for word in words.split()}
_WORD = re.compile(r"[a-z0-9]+")
_TITLE_WEIGHT = 3
_READ = 20_000
"""Characters of a text that are looked at."""


def classify(text: str, title: str = "") -> TaskType:
    """OTHER where no word tells."""
    counts = Counter[TaskType]()
    for part, weight in ((title, _TITLE_WEIGHT), (text, 1)):
        for word in _WORD.findall(part[:_READ].lower()):
            if (task_type := _TYPE_OF.get(word)) is not None:
                counts[task_type] += weight
    return max(_WORDS, key=lambda task_type: counts[task_type]) if counts else TaskType.OTHER
