"""A configuration in several files: read as one, every mistake told in its own file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from checker.config import Config, ConfigError, load

MAIN = """\
[server]
admin_token = "a-token-of-sixteen-and-more"

[[channel]]
name = "ops"
kind = "webhook"
url = "https://hooks.example/x"
"""


def beat(name: str, *lines: str) -> str:
    return "\n".join(["[[heartbeat]]", f'name = "{name}"', 'every = "1h"', *lines, ""])


def written(folder: Path, **files: str) -> Path:
    """Write files (`a__b` is a/b.toml) and return the first."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/").replace("conf_d", "conf.d") + ".toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "checker.toml"


def read(path: Path, **environ: str) -> Config:
    return load(path, environ)


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(path)
    return [each.replace(f"{path.parent}{os.sep}", "") for each in caught.value.problems]


def test_the_folder_beside_the_file_is_read_in_order_as_one_with_it(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        checker=MAIN + beat("one"),
        conf_d__20=beat("three", 'depends_on = ["one"]', 'channels = ["mail"]'),
        conf_d__10=beat("two")
        + '[[channel]]\nname = "mail"\nkind = "webhook"\nurl = "https://h.example/y"\n',
    )
    (tmp_path / "conf.d" / "notes.txt").write_text("not = toml = at all")
    config = read(path)
    assert [each.name for each in config.monitors] == ["one", "two", "three"]
    assert [each.name for each in config.channels] == ["ops", "mail"]


def test_a_mistake_is_told_with_its_own_file_and_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        checker=MAIN + beat("one", 'evry = "1h"'),
        conf_d__a=beat("two") + beat("three", 'chanels = ["ops"]'),
        conf_d__b=beat("four", 'fail_after = "x"'),
    )
    assert problems(path) == [
        'checker.toml:11: heartbeat "one": unknown key "evry"; did you mean "every"?',
        'conf.d/a.toml:7: heartbeat "three": unknown key "chanels"; did you mean "channels"?',
        'conf.d/b.toml:4: heartbeat "four": "fail_after" must be a whole number, not text',
    ]


def test_a_name_that_two_files_give_is_told_with_both_places(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        checker=MAIN + beat("one", 'token = "abcdefghij"'),
        conf_d__a=beat("two") + beat("one"),
        conf_d__b=beat("three", 'token = "abcdefghij"') + MAIN.partition("\n\n")[2],
    )
    found = problems(path)
    said = 'heartbeat #3: the name "one" is taken already, in checker.toml:8; choose another name'
    assert found[0] == f"conf.d/a.toml:5: {said}"
    assert any("conf.d/b.toml:4" in each and '"token" is that of "one" too' in each for each in found)
    assert any("conf.d/b.toml:6" in each and 'the name "ops" is taken already' in each for each in found)


def test_files_that_are_no_toml_are_all_told(tmp_path: Path) -> None:
    path = written(tmp_path, checker=MAIN, conf_d__a="a = \n", conf_d__b='b = "x\n')
    found = problems(path)
    assert [each.split(": ")[0] for each in found] == ["conf.d/a.toml:1", "conf.d/b.toml:1"]


def test_there_is_one_server_table_and_it_may_stand_in_any_file(tmp_path: Path) -> None:
    path = written(tmp_path, checker=beat("one"), conf_d__a='[server]\nlisten = "127.0.0.1:99"\n')
    assert read(path).server.port == 99
    written(tmp_path, conf_d__b='[server]\nlisten = "127.0.0.1:98"\n')
    (found,) = problems(path)
    assert found.startswith("conf.d/b.toml:1: [server] stands in")
    assert "a.toml" in found


def test_more_files_are_included_by_name_or_pattern_each_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        checker='include = ["teams/*.toml", "${EXTRA}", "conf.d/a.toml", "none/*.toml"]\n' + beat("one"),
        teams__b=beat("b"),
        teams__a=beat("a"),
        extra=beat("extra"),
        conf_d__a=beat("folder"),
    )
    config = read(path, EXTRA="extra.toml")
    assert [each.name for each in config.monitors] == ["one", "folder", "a", "b", "extra"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"checker": 'include = ["gone.toml"]\n'}, 'checker.toml:1: include: "include" names a file that'),
        ({"checker": "include = 1\n"}, '"include" must be a list, not a whole number'),
        ({"checker": 'include = ["${NOPE}/*.toml"]\n'}, "wants the environment variable NOPE"),
        ({"checker": "", "conf_d__a": 'include = ["x.toml"]\n'}, 'conf.d/a.toml:1: "include" belongs into'),
        ({"checker": 'includ = ["x"]\n'}, 'checker.toml:1: unknown key "includ"; did you mean "include"?'),
        ({"checker": "", "conf_d__a": "[[chanel]]\n"}, 'conf.d/a.toml:1: unknown table "chanel"; did'),
        ({"checker": "", "conf_d__a": "[heartbeat]\n"}, "conf.d/a.toml:1: [heartbeat] must be written"),
    ],
)  # fmt: skip
def test_what_is_wrong_between_files_is_said(tmp_path: Path, files: dict[str, str], said: str) -> None:
    assert any(said in each for each in problems(written(tmp_path, **files)))


def test_a_number_and_a_flag_may_come_from_a_variable(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        checker=beat("one", 'fail_after = "${TRIES:-3}"', 'extend_on_progress = "${LONG}"'),
    )
    (spec,) = read(path, LONG="true").monitors
    assert (spec.fail_after, spec.extend_on_progress) == (3, True)
    with pytest.raises(ConfigError) as caught:
        read(path, LONG="s3cret", TRIES="s3cret")
    said = str(caught.value)
    assert "what ${TRIES:-3} holds must be a whole number" in said
    assert "what ${LONG} holds must be true or false" in said
    assert "s3cret" not in said
