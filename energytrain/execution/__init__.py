"""Execution: a specification becomes a run. Recorder, marks, phases, checkpoints, result, resume."""
