"""The output log of a bot stays small, whatever its agent writes."""

from pathlib import Path

from deia_tui.folder import Folder

from .conftest import Launch, text_of

MIB = 1024 * 1024


async def test_it_is_set_aside_when_it_grew(launch: Launch, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    log = folder.output_log("BOT-001")
    with log.open("wb") as file:
        file.truncate(31 * MIB)
    bot = await launch()
    assert len(text_of(await bot.answer(f"head -c {2 * MIB} /dev/zero"))) == 2 * MIB
    older = log.with_name(log.name + ".1")
    assert 31 * MIB < older.stat().st_size <= 32 * MIB
    assert older.stat().st_size + log.stat().st_size == 33 * MIB
    assert log.stat().st_mode & 0o777 == 0o600
    await bot.answer("echo hello")
    assert log.read_bytes().endswith(b"hello\n")
