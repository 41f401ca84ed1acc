# SPDX-License-Identifier: GPL-2.0-or-later
"""Zabbix in a namespace: PostgreSQL, the server, and the frontend for its API, of Debian's packages and with nothing of the machine's.

Use it in a with statement: it ends them in the order that they like, and leaves nothing.
"""

import gzip
import itertools
import json
import os
import re
import signal

from . import inside
from .netns import run, wait_until
from .privilege import LabError

DATABASE = "/usr/share/zabbix-server-pgsql"
PORT = 8080
# What a server needs to start and people need to log in; data.sql has some 100 templates besides, and takes 20 s.
FILLED = {"role", "role_rule", "users", "usrgrp", "users_groups", "config", "hstgrp"}
# PostgreSQL refuses to be root. The user of a user namespace is one to it, and our files are that user's.
NOT_ROOT = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--ipc", "setpriv", "--pdeathsig", "KILL"]
QUICK = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "dynamic_shared_memory_type=mmap", "max_connections=60"]

SERVER_CONF = """\
# Written by tests/lab/zabbix.py.
LogType=console
PidFile={directory}/server.pid
SocketDir={directory}
ListenIP=127.0.0.1
DBHost={directory}
DBName=zabbix
DBUser=zabbix
AllowRoot=1
SNMPTrapperFile={traps}
StartSNMPTrapper=1
StartPollers=4
StartPreprocessors=1
StartDBSyncers=1
StartLLDProcessors=1
StartTrappers=1
StartPingers=0
StartDiscoverers=0
StartHTTPPollers=0
StartAlerters=1
StartODBCPollers=0
StartReportWriters=0
CacheUpdateFrequency=1
UnreachableDelay=1
UnavailableDelay=1
Timeout=10
"""

FRONTEND_CONF = """\
<?php // Written by tests/lab/zabbix.py.
$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '{directory}', 'PORT' => '0', 'DATABASE' => 'zabbix', 'USER' => 'zabbix', 'PASSWORD' => '',
  'SCHEMA' => '', 'ENCRYPTION' => false, 'KEY_FILE' => '', 'CERT_FILE' => '', 'CA_FILE' => '', 'VERIFY_HOST' => false,
  'CIPHER_LIST' => '', 'VAULT_URL' => '', 'VAULT_DB_PATH' => '', 'VAULT_TOKEN' => '', 'DOUBLE_IEEE754' => true];
$ZBX_SERVER_NAME = 'lab';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
"""

IMPORTED = ("discoveryRules", "graphs", "groups", "httptests", "items", "templateLinkage", "templates", "triggers", "valueMaps")


def _postgres(program):
    """Debian keeps each version's programs in a directory of its own."""
    top = "/usr/lib/postgresql"
    versions = sorted(os.listdir(top), key=float) if os.path.isdir(top) else []
    if not versions:
        raise LabError("PostgreSQL is not installed; ./dev packages lists what the tests need")
    return os.path.join(top, versions[-1], "bin", program)


def _read(name):
    with gzip.open(os.path.join(DATABASE, name), "rt") as file:
        return file.read()


def _format(text):
    return "json" if text.startswith("{") else "yaml"


class ZabbixError(Exception):
    """What the API answered instead of a result."""


class Zabbix:
    """Answers the API when constructed. traps: the file that the server reads notifications from."""

    def __init__(self, processes, namespace, directory):
        self.namespace, self.directory = namespace, os.path.join(directory, "zabbix")
        self.traps = os.path.join(self.directory, "traps.log")
        os.makedirs(os.path.join(self.directory, "etc"), mode=0o700)
        self._processes, self._started, self._numbers, self._session = processes, [], itertools.count(1), None
        self.server = None

    def __enter__(self):
        try:
            self._start_database()
            self._start_server()
            self._start_frontend()
            self._session = wait_until(self._log_in, 30, "the API of Zabbix answers", step=0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """The server before its database, which otherwise waits for it; and that by its fast shutdown."""
        for process in reversed(self._started):
            process.stop(signal.SIGINT if process.name == "postgres" else signal.SIGTERM, 15)

    def _start(self, name, *command):
        process = self._processes.start(name, command, self.namespace)
        self._started.append(process)
        return process

    def _start_database(self):
        data = os.path.join(self.directory, "data")
        run([*NOT_ROOT, _postgres("initdb"), "-D", data, "-U", "zabbix", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
             "--wal-segsize=1"], timeout=60)
        options = [word for each in (*QUICK, "listen_addresses=") for word in ("-c", each)]
        database = self._start("postgres", *NOT_ROOT, _postgres("postgres"), "-D", data, "-k", self.directory, *options)
        database.wait_log("ready to accept connections", 30)
        self._sql("postgres", "CREATE DATABASE zabbix;")
        rows = re.findall(r"^INSERT INTO (\w+) (.*?);$", _read("data.sql.gz"), re.M | re.S)
        self._sql("zabbix", _read("schema.sql.gz") + "".join(f"INSERT INTO {table} {rest};\n" for table, rest in rows if table in FILLED))

    def _sql(self, database, text):
        run(["psql", "-q", "-h", self.directory, "-U", "zabbix", "-d", database, "-v", "ON_ERROR_STOP=1"], text=text, timeout=60)

    def _start_server(self):
        conf = os.path.join(self.directory, "server.conf")
        with open(conf, "w") as file:
            file.write(SERVER_CONF.format(directory=self.directory, traps=self.traps))
        with open(self.traps, "w"):
            pass
        self.server = self._start("zabbix-server", "unshare", "--ipc", "zabbix_server", "--foreground", "-c", conf)
        self.server.wait_log(r"server #0 started", 30)

    def _start_frontend(self):
        """Its configuration is looked for at one place only, which is another in this process's own mounts."""
        with open(os.path.join(self.directory, "etc", "zabbix.conf.php"), "w") as file:
            file.write(FRONTEND_CONF.format(directory=self.directory))
        self._start("zabbix-frontend", "sh", "-c", 'mount --bind "$1" /etc/zabbix && exec php -S "$2" -t /usr/share/zabbix', "sh",
                    os.path.join(self.directory, "etc"), f"127.0.0.1:{PORT}")

    # The API

    def _log_in(self):
        try:
            return self.api("user.login", username="Admin", password="zabbix")
        except OSError:
            return None

    def api(self, method, *listed, **parameters):
        """The result of a call; its parameters are named, or a list."""
        question = {"jsonrpc": "2.0", "method": method, "params": list(listed) or parameters, "id": next(self._numbers)}
        if self._session:
            question["auth"] = self._session
        text = inside.request(self.namespace, "POST", PORT, "/api_jsonrpc.php", json.dumps(question),
                              {"Content-Type": "application/json-rpc"}, 60)
        answer = json.loads(text)
        if "error" in answer:
            raise ZabbixError(f"{method}: {answer['error']['message']} {answer['error']['data']}")
        return answer["result"]

    def import_template(self, text):
        rules = {each: {"createMissing": True, "updateExisting": True} for each in IMPORTED}
        assert self.api("configuration.import", format=_format(text), source=text, rules=self._rules(rules)) is True

    def differences(self, text):
        """What an import would change; also what it would delete."""
        rules = {each: {"createMissing": True, "updateExisting": True, "deleteMissing": True} for each in IMPORTED}
        return self.api("configuration.importcompare", format=_format(text), source=text, rules=self._rules(rules))

    @staticmethod
    def _rules(rules):
        for each, unknown in (("groups", "deleteMissing"), ("templates", "deleteMissing"), ("templateLinkage", "updateExisting")):
            rules[each].pop(unknown, None)
        return rules

    def add_host(self, name, address, template, user, authentication, privacy, macros=None):
        """A host that is polled with SNMPv3 (authPriv, SHA256, AES128); its id. macros: {macro: value} of its own."""
        found = self.api("template.get", filter={"host": [template]}, output=["templateid"])
        group, = self.api("hostgroup.get", filter={"name": ["Virtual machines"]}, output=["groupid"])
        details = {"version": 3, "bulk": 1, "securityname": user, "securitylevel": 2, "authprotocol": 3, "authpassphrase": authentication,
                   "privprotocol": 1, "privpassphrase": privacy}
        interface = {"type": 2, "main": 1, "useip": 1, "ip": address, "dns": "", "port": "161", "details": details}
        made = self.api("host.create", host=name, groups=[group], templates=found, interfaces=[interface],
                        macros=[{"macro": macro, "value": value} for macro, value in (macros or {}).items()])
        return made["hostids"][0]

    def items(self, host):
        """{key: item}, as polled last."""
        found = self.api("item.get", hostids=[host], output=["key_", "lastvalue", "lastclock", "state", "error", "snmp_oid"],
                         selectValueMap="extend")
        return {each["key_"]: each for each in found}

    def problems(self, host):
        """[(name, severity, opdata, tags)] of what is a problem now, the oldest first."""
        found = self.api("problem.get", hostids=[host], output=["name", "severity", "opdata"], selectTags="extend", sortfield=["eventid"])
        return [(each["name"], int(each["severity"]), each["opdata"], {tag["tag"]: tag["value"] for tag in each["tags"]}) for each in found]
