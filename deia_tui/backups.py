"""The commands `backup` and `restore`: on the files of a hive, so that they work when nothing of it runs any more."""

import json
import time
from pathlib import Path
from typing import Any

import click

from deia_tui import cli
from deia_tui.core.errors import DeiaError
from deia_tui.folder import Folder

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE, required=False)
@cli.json_option
@click.pass_obj
def backup(folder: Folder, file: Path | None, as_json: bool) -> None:
    """Copy the state of the hive to FILE, or among its backups.

    That is its store, settings and templates. It may be supervised meanwhile. What hive.toml keeps secret is in the
    copy as well: only you can read it (0600).
    """
    from deia_tui.store.backup import take

    with cli.errors_as_sentences():
        if file is not None and file.exists():
            raise DeiaError(f"{file} exists: name a file that does not.")
        if file is not None and not file.absolute().parent.is_dir():
            raise DeiaError(f"{file.parent} is no folder: make it first.")
        made = take(folder, None if file is None else file.absolute())
        _say({"path": str(made.path), "size": made.size}, f"{made.path}  {made.size / 1e6:.1f} MB", as_json=as_json)


@click.command()
@click.argument("file", type=_FILE, required=False)
@cli.json_option
@click.pass_obj
def restore(folder: Folder, file: Path | None, as_json: bool) -> None:
    """Go back to FILE, or to the newest sound backup.

    The hive's state is set aside.
    """
    from deia_tui.hive.lock import HiveLock, HiveTaken

    with cli.errors_as_sentences():
        source = _source(folder, file)
        folder.create()
        try:
            with HiveLock(folder, "restore"):
                done = _restore(folder, source)
        except HiveTaken as taken:
            raise DeiaError(
                f"A supervisor ({taken.holder}) has this hive: end it with 'deia-tui shutdown --leave-bots' first."
            ) from taken
        lines = [f"Restored {done['restored']}."]
        if done["aside"]:
            lines.append(f"The former state is {done['aside']}.")
        if done["files"]:
            lines.append(f"Restored as well, with the former ones beside them: {', '.join(done['files'])}.")
        lines.append("Bots that run are taken over by the next supervisor: 'deia-tui' or 'deia-tui serve'.")
        _say(done, "\n".join(lines), as_json=as_json)


def _source(folder: Folder, file: Path | None) -> Path:
    if file is not None and not file.exists():
        raise DeiaError(f"{file} does not exist.")
    return file.absolute() if file is not None else _newest_sound(folder)


def _restore(folder: Folder, source: Path) -> dict[str, Any]:
    from deia_tui.store import backup as bk
    from deia_tui.store.mending import set_aside

    asides: list[Path | None] = []
    files = bk.restore(source, folder, lambda: asides.append(set_aside(folder.state_db, "replaced")))
    replaced = bk.restore_files(files, folder, time.time())
    aside = next((str(path) for path in asides if path is not None), None)
    return {"restored": str(source), "aside": aside, "files": [str(path) for path in replaced]}


def _newest_sound(folder: Folder) -> Path:
    from deia_tui.store.backup import backups
    from deia_tui.store.integrity import inspect

    for found in backups(folder):
        if not inspect(found.path).damage:
            return found.path
    raise DeiaError(f"There is no sound backup in {folder.backups}: name a file.")


def _say(found: dict[str, Any], text: str, *, as_json: bool) -> None:
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else text)


COMMANDS = [backup, restore]
