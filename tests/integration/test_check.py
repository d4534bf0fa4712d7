"""test_check.py: `check` with its flags, YAML, formats that come later.

SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest
from certificates import Authority, run_openssl
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
        mapping: {id: key}
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
    for words in ("\tName: Shop\n", "\tAddress: \n\tPort: 8099\n", "1 API endpoint(s):\n", "\t- GET /users/:id\n\tTimeout: 3s\n\tConcurrent calls: 3\n",
                  "\tConnecting to 1 backend(s):\n\t\t[+] GET /u/{{.Id}}\n\t\tTimeout: 3s\n\t\tHosts: [http://users.test:8000]\n\n",
                  "1 global component configuration(s):\n- router\n", "0 async agent(s):\n"):
        assert words in dumps[0], words
    for words in ("\tHeaders to pass: [X-One]\n", "\t\tDeny: [], Allow: [name]\n\t\tMapping: map[id:key]\n", "- router\n\treturn_error_msg: true\n",
                  "\tDefault backend hosts: []\n", "\t0 endpoint component configuration(s):\n"):
        assert words in dumps[1] and words not in dumps[0], words
    assert "Max idle connections per host: 250\n" in dumps[2] and "Max idle" not in dumps[1]


@pytest.mark.parametrize("given, shown", [("", ""), ("null", ""), ("static", "static"), ("other", "other")])
def test_the_dump_says_of_discovery_what_was_given(check, given, shown):
    text = YAML.replace("        allow:", f"        sd: {given}\n        allow:") if given else YAML
    assert f"\t\tSD: {shown}\n\t\tSD scheme: http\n" in check(text, "-dd")[1]


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


@pytest.mark.parametrize("name", ["krakend.hcl", "krakend.properties", "krakend", "krakend.JSON"])
def test_whatever_is_neither_yaml_nor_toml_is_json(check, name):
    assert check('{"version": 3}', name=name)[0] == 0
    assert check("version: 3\n", name=name)[0] == 1


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


def test_null_is_neither_an_endpoint_nor_a_backend(check):
    """KrakenD panics."""
    code, output = check('{"version": 3, "endpoints": [\n  {"endpoint": "/a", "backend": [{"host": ["http://a"]}, null]},\n  null]}',
                         name="a.json")
    assert code == 1 and output.endswith("2 problems")
    assert "FILE:2:58: error: endpoints[0].backend[1]: expected an object, found null [HF0103]" in output
    assert "FILE:3:3: error: endpoints[1]: expected an object, found null [HF0103]" in output


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


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of what a client_tls may name, good and bad."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder)
    good, other, old = authority.issue("client"), authority.issue("other"), authority.issue("old", expired=True)
    (folder / "garbage.pem").write_text("no PEM at all")
    run_openssl("pkey", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", folder / "locked.key")
    return {"ca": str(authority.certificate), "cert": good.certificate, "key": good.key, "other": other.key,
            "old": old.certificate, "old_key": old.key, "garbage": str(folder / "garbage.pem"),
            "locked": str(folder / "locked.key"), "nowhere": str(folder / "nowhere.pem"), "folder": str(folder)}


def with_client_tls(block, where):
    """A configuration with the block at the root, or at its second backend."""
    hosts = [{"host": ["https://a.test"]}, {"host": ["https://b.test"]}]
    if where == "backend":
        hosts[1]["extra_config"] = {"backend/http/client": {"client_tls": block}}
    config = {"version": 3, "endpoints": [{"endpoint": "/x", "backend": hosts}]}
    return {**config, "client_tls": block} if where == "root" else config


BAD_FILES = [
    ({"ca_certs": ["ca", "nowhere"]}, "nowhere", "ca_certs[1]", "no such file"),
    ({"ca_certs": ["garbage"]}, "garbage", "ca_certs[0]", "no start line"),
    ({"ca_certs": ["key"]}, "key", "ca_certs[0]", "no start line"),
    ({"ca_certs": ["folder"]}, "folder", "ca_certs[0]", "is a directory"),
    ({"client_certs": [{"certificate": "nowhere", "private_key": "key"}]}, "nowhere", "client_certs[0].certificate", "no such file"),
    ({"client_certs": [{"certificate": "cert", "private_key": "nowhere"}]}, "nowhere", "client_certs[0].private_key", "no such file"),
    ({"client_certs": [{"certificate": "cert", "private_key": "garbage"}]}, "garbage", "client_certs[0].private_key", ""),
    ({"client_certs": [{"certificate": "cert", "private_key": "locked"}]}, "locked", "client_certs[0].private_key", ""),
    ({"client_certs": [{"certificate": "cert", "private_key": "key"}, {"certificate": "cert", "private_key": "other"}]}, "other",
     "client_certs[1].private_key", "is not the key of its certificate"),
    ({"client_certs": [{"certificate": "old", "private_key": "old_key"}]}, "old", "client_certs[0].certificate", "has expired"),
]


@pytest.mark.parametrize("where", ["root", "backend"])
@pytest.mark.parametrize("block, bad, name, reason", BAD_FILES)
def test_files_of_client_tls_that_cannot_be_used_are_told(check, files, block, bad, name, reason, where):
    named = json.loads(json.dumps(block), object_hook=lambda pair: {key: files.get(value, value) if isinstance(value, str) else value
                                                                    for key, value in pair.items()})
    if "ca_certs" in named:
        named["ca_certs"] = [files[path] for path in named["ca_certs"]]
    text = json.dumps(with_client_tls(named, where), indent=1)
    lines = text.split("\n")
    line = max(number for number, row in enumerate(lines, 1) if f'"{files[bad]}"' in row)
    column = lines[line - 1].index(f'"{files[bad]}"') + 1
    path = "client_tls" if where == "root" else "endpoints[0].backend[1].extra_config.backend/http/client.client_tls"
    code, err = check(text, name="gateway.json")
    assert code == 0, "KrakenD starts with it, and so do we"
    assert f'FILE:{line}:{column}: warning: {path}.{name}: "{files[bad]}": {reason}' in err and err.count("HF0331") == 1, err
    code, err = check(text, "--strict", name="gateway.json")
    assert code == 1 and f"FILE:{line}:{column}: error: {path}.{name}" in err


def test_half_a_pair_of_client_tls_is_told(check, files):
    text = json.dumps(with_client_tls({"client_certs": [{"certificate": files["cert"]}]}, "root"))
    assert 'client_certs[0].private_key: "": is no path' in check(text, name="gateway.json")[1]


def test_good_files_of_client_tls_are_not_mentioned(check, files):
    block = {"ca_certs": [files["ca"]], "client_certs": [{"certificate": files["cert"], "private_key": files["key"]}]}
    for where in ("root", "backend"):
        code, err = check(json.dumps(with_client_tls(block, where)), "--strict", name="gateway.json")
        assert code == 0 and "HF0331" not in err, err


def test_ca_files_of_a_listener_are_told_too(check, files):
    text = json.dumps({"version": 3, "tls": {"keys": [{"public_key": files["cert"], "private_key": files["key"]}],
                                             "enable_mtls": True, "ca_certs": [files["nowhere"]]},
                       "endpoints": [{"endpoint": "/x", "backend": [{"host": ["http://a.test"]}]}]}, indent=1)
    code, err = check(text, name="gateway.json")
    assert code == 0 and f'warning: tls.ca_certs[0]: "{files["nowhere"]}": no such file' in err, err
