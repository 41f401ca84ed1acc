# SPDX-License-Identifier: GPL-2.0-or-later
"""A real libvirtd in a lab namespace, which takes itself for the only one on its machine, and domains of QEMU (TCG) that move
between two.

Each has mount and UTS namespaces of its own, so that its files and its host's name meet no other's. Everybody reaches it by .uri.
"""

import contextlib
import os
import shutil
import signal
import uuid

from .netns import run, wait_until
from .privilege import LabError

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOOK = os.path.join(TOP, "docs", "hooks", "libvirt-gate")
HOOK_CONF = "/etc/vmmig/vmmigd.conf"  # where the hook looks for the bus; here another path is put in its place

LIBVIRTD_CONF = """\
# Written by tests/lab/libvirt.py.
unix_sock_dir = "{directory}/socket"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
log_outputs = "2:stderr"
"""
QEMU_CONF = """\
# Written by tests/lab/libvirt.py.
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
dynamic_ownership = 0
remember_owner = 0
"""
# /var and /run as a whole: what a package's own scripts would have made there need not exist on this machine.
SCRIPT = """\
set -e
hostname {name}
cd {directory}
mount --bind var /var
mount --bind run /run
mount --bind etc /etc/libvirt
for file in passwd group hosts; do mount --bind $file /etc/$file; done
exec libvirtd --config etc/libvirtd.conf
"""
DOMAIN = """\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>{boot}</os>
  <features><acpi/></features>
  <cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model></cpu>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {devices}
  </devices>
  {more}
</domain>
"""


class Libvirtd:
    """One libvirtd in the namespace of a host. address: where others send a VM's memory to."""

    def __init__(self, lab, host, address):
        self.lab, self.host, self.address = lab, host, address
        self.directory = os.path.join(lab.directory, f"libvirt-{host}")
        self.uri = f"qemu:///system?socket={self.directory}/socket/libvirt-sock"
        self.remote_uri = f"qemu+unix:///system?socket={self.directory}/socket/libvirt-sock"
        self.process = None
        self._write_files()

    def _write_files(self):
        for path in ("var/lib/libvirt", "var/cache/libvirt", "var/log/libvirt", "run/libvirt", "etc/hooks/qemu.d", "socket"):
            os.makedirs(os.path.join(self.directory, path))
        os.symlink("/run", os.path.join(self.directory, "var", "run"))
        self._write("etc/libvirtd.conf", LIBVIRTD_CONF.format(directory=self.directory, uuid=uuid.uuid4()))
        self._write("etc/qemu.conf", QEMU_CONF)
        # libvirtd wants this user to exist, also when its configuration names another.
        self._write("passwd", _text("/etc/passwd") + "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n")
        self._write("group", _text("/etc/group") + "libvirt-qemu:x:64055:\n")
        self._write("hosts", f"127.0.0.1 localhost\n{self.address} {self.host}\n")
        self._write("start.sh", SCRIPT.format(name=self.host, directory=self.directory))

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w") as file:
            file.write(text)

    def install_hook(self, vmmigd_conf):
        """docs/hooks/libvirt-gate, which reads this vmmigd.conf instead of the machine's. Before start()."""
        text = _text(HOOK)
        if HOOK_CONF not in text:
            raise LabError(f"{HOOK} does not read {HOOK_CONF} any more")
        self._write("etc/hooks/qemu.d/vmmig", text.replace(HOOK_CONF, vmmigd_conf))
        os.chmod(os.path.join(self.directory, "etc/hooks/qemu.d/vmmig"), 0o755)

    def start(self):
        """Start it, without waiting; see wait_ready()."""
        self.process = self.lab.start(self.host, f"libvirtd-{self.host}", "unshare", "--mount", "--uts", "sh",
                                      os.path.join(self.directory, "start.sh"))
        return self

    def wait_ready(self, seconds=20):
        self.process.wait(lambda: self.virsh("domcapabilities", "--virttype", "qemu", check=False).returncode == 0, seconds,
                          "answering")
        return self

    def kill(self):
        self.process.kill()

    @contextlib.contextmanager
    def stands_still(self):
        """What runs here runs on meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    # What runs here

    def virsh_argv(self, *words):
        return ["virsh", "--quiet", "--connect", self.uri, *words]

    def virsh(self, *words, check=True, text=None):
        return run(self.virsh_argv(*words), check=check, text=text)

    def state(self, name):
        """'running', 'paused'...; '' when this libvirtd does not know the domain."""
        return self.virsh("domstate", name, check=False).stdout.strip()

    def log(self, name):
        """What QEMU and libvirt said of a domain."""
        return _text(os.path.join(self.directory, "var/log/libvirt/qemu", f"{name}.log"))

    def create(self, name, identity, memory=64, kernel=None, devices="", more=""):
        """Start a transient domain. kernel: (kernel, initramfs, command line); without one, the BIOS finds nothing to boot.
        devices and more: XML, of its devices and beside them."""
        boot = "<kernel>{}</kernel><initrd>{}</initrd><cmdline>{}</cmdline>".format(*kernel) if kernel else ""
        path = os.path.join(self.directory, f"{name}.xml")
        with open(path, "w") as file:
            file.write(DOMAIN.format(name=name, uuid=identity, memory=memory, boot=boot, devices=devices, more=more))
        self.virsh("create", path)

    def monitor(self, name, command):
        """A command of QEMU's monitor, as JSON."""
        return self.virsh("qemu-monitor-command", name, command).stdout

    def migrate(self, name, destination, *options):
        """Begin a live migration; returns the Popen of virsh through the lab, whose end is the migration's."""
        return self.lab.start(self.host, f"migrate-{name}", *self.virsh_argv(
            "migrate", "--live", "--p2p", name, destination.remote_uri, "--migrateuri", f"tcp://{destination.address}", *options))

    def kill_domain(self, name):
        """End its QEMU, as in an accident."""
        os.kill(int(_text(os.path.join(self.directory, f"run/libvirt/qemu/{name}.pid"))), signal.SIGKILL)

    def remove(self, name):
        """End a domain if it is here, and wait until libvirtd has forgotten it."""
        self.virsh("destroy", name, check=False)
        wait_until(lambda: not self.state(name), 10, f"{name} gone from {self.host}")


def _text(path):
    with open(path, errors="replace") as file:
        return file.read()


def installed():
    return all(shutil.which(program) for program in ("libvirtd", "virsh", "dbus-daemon", "qemu-system-x86_64"))
