# SPDX-License-Identifier: GPL-2.0-or-later
"""Icinga 2 in a directory of a test: the pack's files, hosts, and a file for the results."""

from conftest import BUILD, ourselves
from lab.netns import wait_until

CONF = """\
const PluginDir = "{build}"
const NodeName = "test"
include <itl>
include "{pack}/icinga2-commands.conf"
include "{pack}/*icinga2-services.conf"
object CheckerComponent "checker" {{ }}
object ExternalCommandListener "command" {{ command_path = "{directory}/commands" }}
object PerfdataWriter "results" {{
  service_perfdata_path = "{directory}/results"
  service_temp_path = "{directory}/results.new"
  host_perfdata_path = "{directory}/hosts"
  host_temp_path = "{directory}/hosts.new"
  service_format_template = "$host.name$;$service.name$;$service.state$;$service.output$;$service.perfdata$"
  rotation_interval = 1s
}}
"""

HOST = """\
object Host "{name}" {{
  check_command = "passive"
  address = "{address}"
  vars.vmmig = true
  vars.vmmig_snmp_conf = "{client}"
{more}}}
"""


class Icinga:
    """hosts: {name: address}. client: where their snmp.conf is. start: procs.Processes.start, or in a namespace. host: more of each.

    Services are checked each second, and what nothing repeats is well again after `quiet` seconds.
    """

    def __init__(self, start, directory, pack, hosts, client, quiet=3600, host=""):
        self.directory = directory
        for name in ("data", "cache", "run", "log", "spool"):
            (directory / name).mkdir()
        text = CONF.format(build=BUILD, pack=pack, directory=directory)
        text += "".join(HOST.format(name=name, address=address, client=client, more=host) for name, address in hosts.items())
        (directory / "icinga2.conf").write_text(text)
        impatient(pack / "icinga2-commands.conf", "check_interval = 1m", "check_interval = 1s")
        impatient(pack / "icinga2-commands.conf", "retry_interval = 20s", "retry_interval = 1s")
        impatient(pack / "icinga2-services.conf", "check_interval = 1h", f"check_interval = {quiet}s")
        user, group = ourselves()
        constants = {"RunAsUser": user, "RunAsGroup": group, "DataDir": directory / "data", "CacheDir": directory / "cache",
                     "InitRunDir": directory / "run", "LogDir": directory / "log", "SpoolDir": directory / "spool"}
        self.process = start("icinga2", ["icinga2", "daemon", "-c", str(directory / "icinga2.conf"),
                                         *(f"-D{key}={value}" for key, value in constants.items())],
                             env={"ICINGA2_USER": user, "ICINGA2_GROUP": group})
        self.process.wait_log("Activated all objects", 60)

    def results(self, host, service):
        """[(state, output and performance data)], the oldest first."""
        files = [file for file in self.directory.glob("results.*") if file.name != "results.new"]
        found = []
        for file in sorted(files, key=lambda file: int(file.name.split(".")[1])):
            lines = [line.split(";", 3) for line in file.read_text().splitlines()]
            found += [tuple(line[2:]) for line in lines if line[:2] == [host, service]]
        return found

    def wait(self, host, service, state, output="", words="", seconds=90):
        """Until the last result is so; its output and performance data."""
        def last():
            found = self.results(host, service)[-1:]
            return found[0] if found and found[0][0] == state and output in found[0][1] and words in found[0][1] else None
        try:
            return wait_until(last, seconds, f"{service} of {host} is {state}", step=0.2)[1]
        finally:
            print(host, service, self.results(host, service)[-3:])


def impatient(path, old, new):
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new))
