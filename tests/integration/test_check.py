"""test_check.py: `check` with its flags, YAML, formats that come later.

SPDX-License-Identifier: Apache-2.0
"""
import pytest
from gateway import run_to_end

YAML = """version: 3
name: Shop
port: 8099
timeout: 3s
endpoints:
  - endpoint: /users/{id}
    concurrent_calls: 3
    input_headers: [X-One]
    backend:
      - host: [http://users.test:8000]
        url_pattern: /u/{id}
        allow: [name]
extra_config:
  router: {return_error_msg: true}
"""


@pytest.fixture
def check(tmp_path):
    def run(text, *flags, name="gateway.yaml", environment=None):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        code, out, err = run_to_end(["check", "-c", path, *flags], environment)
        assert out == ""
        return code, err.replace(str(path), "FILE")
    return run


def test_the_dump_grows_with_its_level(check):
    plain, *dumps = [check(YAML, *flags)[1] for flags in ([], ["-d"], ["-dd"], ["-ddd"])]
    assert plain == "Parsing configuration file: FILE\nSyntax OK!"
    assert all(dump.startswith("Parsing configuration file: FILE\nGlobal settings\n") and dump.endswith("\nSyntax OK!")
               for dump in dumps)
    assert len(plain) < len(dumps[0]) < len(dumps[1]) < len(dumps[2])
    for words in ("\tName: Shop\n", "\tPort: 8099\n", "1 API endpoints:\n", "\t- GET /users/:id\n", "\t\tConcurrent calls: 3\n",
                  "\t\tTimeout: 3s\n", "\t\t[+] GET /u/{{.Id}}\n", "\t\t\tHosts: http://users.test:8000\n", "- router\n"):
        assert words in dumps[0], words
    for words in ("\t\tHeaders: X-One\n", "\t\t\tAllow: name\n", '- router: {"return_error_msg":true}\n'):
        assert words in dumps[1] and words not in dumps[0], words
    assert "Max idle connections per host: 250\n" in dumps[2] and "Max idle" not in dumps[1]


def test_the_dump_is_indented_as_asked(check):
    assert "\n--Name: Shop\n" in check(YAML, "-d", "-i", "--")[1]


@pytest.mark.parametrize("flag", ["-l", "-n", "--strict"])
def test_lint_refuses_unknown_keys(check, flag):
    text = YAML.replace("name:", "nam:", 1)
    assert check(text)[0] == 0
    code, output = check(text, flag)
    assert code == 1 and 'FILE:2:1: error: unknown key "nam" [HF0101]' in output


def test_problems_of_yaml_have_line_column_and_caret(check):
    code, output = check(YAML.replace("3s", "3sec"))
    assert code == 1
    assert ('FILE:4:10: error: timeout: "3sec" is not a duration [HF0102]\n'
            '     4 | timeout: 3sec\n'
            '       |          ^~~~ did you mean "3s"?') in output


def test_broken_yaml(check):
    code, output = check("version: 3\nendpoints: [\nname: x\n")
    assert code == 1 and "FILE:4:1: error: did not find expected" in output and "Syntax OK!" not in output


def test_formats_that_come_later_say_so(check):
    code, output = check("version = 3\n", name="gateway.toml")
    assert code == 1 and "TOML is not supported yet" in output
    code, output = check(YAML, environment={"FC_ENABLE": "0"})
    assert code == 1 and "FC_ENABLE: flexible configuration (templates) is not supported yet" in output
    assert check(YAML, environment={"FC_ENABLE": ""})[0] == 0


@pytest.fixture
def schema(tmp_path):
    def write(text):
        path = tmp_path / "schema.json"
        path.write_text(text, encoding="utf-8")
        return path
    return write


def test_a_schema_of_ones_own(check, schema):
    rules = schema('{"properties": {"name": {"const": "Shop"}, "endpoints": {"items": {"required": ["method"]}}}}')
    code, output = check(YAML, "-s", rules)
    assert code == 1 and "FILE:6:5: error: endpoints[0]: \"method\" is missing [HF0113]" in output
    assert output.endswith("ERROR linting the configuration file:\t1 problem")
    code, output = check(YAML.replace("concurrent_calls", "method: GET\n    concurrent_calls"), "-s", rules)
    assert (code, output) == (0, "Parsing configuration file: FILE\nSyntax OK!")


def test_a_schema_that_is_none(check, schema):
    code, output = check(YAML, "--lint-schema", schema('{"type": "object", "pattern": '))
    assert code == 1 and "schema.json:1:30: error: " in output and "ERROR linting" in output
    code, output = check(YAML, "--lint-schema", schema('{"$ref": "#/none"}'))
    assert code == 1 and 'the reference "#/none" leads to nothing in this file [HF0114]' in output


def test_lint_flags_exclude_each_other(check):
    code, output = run_to_end(["check", "-c", "x", "-l", "-n"])[::2]
    assert code == 255 and "none of the others can be" in output


def test_a_service_link_of_kubernetes_is_explained(check):
    code, output = check(YAML, environment={"KRAKEND_PORT": "tcp://10.0.0.1:80"})
    assert code == 1 and 'KRAKEND_PORT:1:1: error: port: "tcp://10.0.0.1:80"' in output and "enableServiceLinks" in output


@pytest.mark.parametrize("where, told", [("    timeout: 3s\n", "endpoints[0]"),
                                         ("        encoding: json\n", "endpoints[0].backend[0]")])
def test_a_transport_key_at_the_wrong_level_is_told(check, where, told):
    indent = where[:len(where) - len(where.lstrip())]
    text = ("version: 3\nendpoints:\n  - endpoint: /x\n    timeout: 3s\n    backend:\n      - host: [http://users.test]\n"
            "        encoding: json\n").replace(where, f"{where}{indent}max_idle_connections: 7\n")
    line = text.split("\n").index(f"{indent}max_idle_connections: 7") + 1
    code, err = check(text)
    assert code == 0 and f'FILE:{line}:{len(indent) + 1}: warning: {told}: unknown key "max_idle_connections"' in err
    assert check(text, "--strict")[0] == 1
