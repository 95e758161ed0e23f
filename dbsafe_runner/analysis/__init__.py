"""From source text to footprints and levels. Pure: text comes in as arguments.

`analyse` finds the footprint of each test, `derive_level` turns one into a level, `classify` weighs it
against markers, rules and observations.
"""

from dbsafe_runner.analysis.analysis import analyse
from dbsafe_runner.analysis.classification import classify
from dbsafe_runner.analysis.levels import derive_level
from dbsafe_runner.analysis.overrides import Note, Rule
from dbsafe_runner.analysis.project import Project

__all__ = ["Note", "Project", "Rule", "analyse", "classify", "derive_level"]
