"""Keeps the index in step when archives are listed: those that are gone are dropped from it, and
one that has got another id stays, since a new name or comment changes nothing of what it holds.

An index that cannot be kept in step fails nothing: it can be made again.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from borgui import index
from borgui.borg.output import OutputError, parse_time
from borgui.runner.spec import Step
from borgui.runner.steps import Reader
from borgui.runner.work import Work


def list_archives(work: Work, step: Step) -> None:
    """The act of the step ``list_archives``: ``borg list``, whose answer stands under ``list``;
    archives that are not in it are dropped from the index.

    Its parameter: ``repository_id``, whose index it is.
    """
    answer = _list(work, step)
    if answer is None:
        return
    there = {str(each.get("id")) for each in answer.get("archives") or ()}
    try:
        gone = index.keep_only(_index_of(work, step), there)
    except (sqlite3.Error, OSError) as error:
        work.log.line(f"The index could not be brought in step: {error}.")
    else:
        if gone:
            work.log.line(f"Dropped from the index, since they are gone: {gone} archives.")


def list_renamed(work: Work, step: Step) -> None:
    """The act of the step ``list_renamed``: ``borg list``, whose answer stands under ``list``, then
    :func:`keep_index`.

    Its parameters: ``repository_id``, whose index it is, and those of :func:`keep_index`.
    """
    answer = _list(work, step)
    if answer is not None:
        work.log.line(keep_index(_index_of(work, step), step.parameters, answer))


def _list(work: Work, step: Step) -> Mapping[str, Any] | None:
    listing = replace(step, name="list")
    ended = work.run_program(listing, Reader())
    work.note(ended)
    work.conclude(ended)
    if ended.answer is not None:
        work.answer(listing).update(ended.answer)
    return ended.answer


def _index_of(work: Work, step: Step) -> Path:
    return work.config.indexes / f"{int(step.parameters['repository_id'])}.db"


def keep_index(path: Path, given: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """Carry the index over where the archive is known for certain; says in words what was done.

    ``given``: ``borg_id`` of the archive as it was, its ``name`` now, and its ``start``, which
    stays: what has another start is another archive, that somebody else has put in its place.
    ``answer``: of ``borg list``.
    """
    listed = answer.get("archives") or ()
    new = next((each for each in listed if each.get("name") == given["name"]), None)
    if new is None or not _began_at(new, given["start"]):
        return "The archive cannot be told for certain: its index is not kept."
    try:
        is_kept = index.carry_over(path, str(given["borg_id"]), str(new["id"]))
    except (sqlite3.Error, OSError) as error:
        return f"The index of the archive could not be kept: {error}."
    return "The index of the archive is kept." if is_kept else "The archive has no index."


def _began_at(listed: Mapping[str, Any], start: str) -> bool:
    try:
        return parse_time(str(listed["start"])) == parse_time(start)
    except (OutputError, KeyError):
        return False
