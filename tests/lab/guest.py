# SPDX-License-Identifier: GPL-2.0-or-later
"""A small Linux for QEMU, made on the spot: Debian's cloud kernel, busybox, and the lab's programs where they lie here as well.

Both parts are kept in $VMMIG_BUILDDIR/guest, by the kernel's version and by what went in. Run as a program it makes them ahead:
a user who is not root has no network inside the lab to fetch the kernel with.
"""

import functools
import glob
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab import kept, traffic  # noqa: E402
from lab.addresses import GATEWAY4, GATEWAY6, VM4, VM6  # noqa: E402
from lab.netns import run  # noqa: E402
from lab.privilege import LabError  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = [os.path.join(HERE, name) for name in ("probe.py", "remote.py")]
META_PACKAGE = "linux-image-cloud-amd64"
# In the order in which they need each other; Debian's cloud kernel has everything else that is needed built in.
MODULES = [f"kernel/{path}.ko" for path in (
    "drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci", "net/core/failover", "drivers/net/net_failover",
    "drivers/net/virtio_net")]

MEMORY = 128  # MiB: the initramfs is there twice while it unpacks itself
# And a little more: when the memory is a multiple of 256 KiB, QEMU 7.2 without KVM misses pages that are written again after a
# round of a migration (mended in QEMU 9.0). The VM then arrives with old pages, and may panic.
MEMORY_KIB = (MEMORY << 10) + 8
KEPT = 4  # initramfs of other builds, which a test that begins at the same time may be about to boot
MANAGEMENT4, PORT = "10.9.0.5", 7  # where remote.py serves, on a card of its own: no firewall stands there

INIT = """\
#!/bin/busybox sh
# The first program of the lab's guest.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for conf in all default; do
  echo 0 > /proc/sys/net/ipv6/conf/$conf/accept_dad
  echo 0 > /proc/sys/net/ipv6/conf/$conf/accept_ra
  echo 0 > /proc/sys/net/ipv6/conf/$conf/router_solicitations
done
for module in {modules}; do insmod /modules/$module; done
ip link set lo up
ip link set eth0 up
ip address add {vm4}/24 dev eth0
ip address add {vm6}/64 dev eth0
ip route add default via {gateway4}
ip -6 route add default via {gateway6} dev eth0
ip link set eth1 up
ip address add {management4}/24 dev eth1
exec {python} {remote} serve {port}
"""


def cache():
    """Where the parts are kept."""
    return kept.directory("guest")


@functools.cache
def boot():
    """QEMU's arguments that boot it."""
    with kept.locked(cache(), "the guest"):
        directory = kernel()
        initramfs = image(directory)
    # reboot=t: a guest that panics ends, and the lab says so instead of waiting. The console goes to QEMU's log.
    return ["-kernel", os.path.join(directory, "vmlinuz"), "-initrd", initramfs, "-no-reboot", "-serial", "file:/dev/stdout",
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr"]


# The kernel

def kernel():
    """The directory with vmlinuz and its modules: the newest that Debian offers, or what is there when apt knows of none."""
    package = offered()
    if package is None:
        there = sorted(glob.glob(os.path.join(cache(), "linux-image-*")))
        if there:
            return there[-1]
        raise LabError(f"apt knows no package {META_PACKAGE}, the guest's kernel; as root run: apt-get update "
                       "(the guest is made from Debian's packages for amd64)")
    path = os.path.join(cache(), "_".join(package))
    if not os.path.isdir(path):
        with tempfile.TemporaryDirectory(dir=cache()) as scratch:
            os.rename(fetch(package, scratch), path)
    return path


def offered():
    """(name, version) of the package that the meta-package stands for, or None."""
    shown = run(["apt-cache", "show", "--no-all-versions", META_PACKAGE], check=False).stdout
    found = re.search(r"^Depends: (linux-image-\S+) \(= (\S+)\)", shown, re.M)
    return found and found.groups()


def fetch(package, scratch):
    """Downloads a kernel's package, which is not installed; returns a directory with what the guest needs of it."""
    name, version = package
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []  # its own user may not write here
    told = run(["apt-get", "-q", *sandbox, "download", f"{name}={version}"], cwd=scratch, timeout=300, check=False)
    packages = glob.glob(os.path.join(scratch, "*.deb"))
    if told.returncode or not packages:
        raise LabError(f"the guest's kernel {name} {version} cannot be downloaded: {told.stderr.strip()}; is the network there, "
                       f"and apt's list fresh? (as root: apt-get update). To fetch it ahead: {sys.executable} {__file__}")
    tree, result = os.path.join(scratch, "tree"), os.path.join(scratch, "result")
    run(["dpkg-deb", "-x", packages[0], tree], timeout=60)
    os.mkdir(result)
    shutil.move(glob.glob(os.path.join(tree, "boot", "vmlinuz-*"))[0], os.path.join(result, "vmlinuz"))
    modules = glob.glob(os.path.join(tree, "lib", "modules", "*"))[0]
    for module in MODULES:
        shutil.move(os.path.join(modules, module), result)
    return result


# What runs in it

def image(kernel_directory):
    """The initramfs's path."""
    files = {**contents(), **{f"/modules/{os.path.basename(each)}": os.path.join(kernel_directory, os.path.basename(each))
                              for each in MODULES}}
    init = INIT.format(modules=" ".join(map(os.path.basename, MODULES)), vm4=VM4, vm6=VM6, gateway4=GATEWAY4,
                       gateway6=GATEWAY6, management4=MANAGEMENT4, port=PORT, python=sys.executable, remote=PROGRAMS[-1])
    path = os.path.join(cache(), f"initramfs-{key(files, init)}")
    if not os.path.exists(path):
        with tempfile.TemporaryDirectory(dir=cache()) as scratch:
            os.rename(pack(files, init, scratch), path)
        for old in sorted(glob.glob(os.path.join(cache(), "initramfs-*")), key=os.path.getmtime)[:-KEPT]:
            os.remove(old)
    return path


def contents():
    """path in the guest: path here."""
    binaries = [traffic.program(), os.path.realpath(sys.executable)]
    modules = python_modules()
    files = {"/bin/busybox": busybox(), **{path: path for path in [*binaries, *PROGRAMS]}, **{path: path for path in modules}}
    for binary in [*binaries, *(path for path in modules if ".so" in path)]:
        files |= {library: library for library in libraries(binary)}
    files[sys.executable] = os.path.realpath(sys.executable)
    return files


def busybox():
    path = shutil.which("busybox")
    if not path or "=>" in run(["ldd", path], check=False).stdout:
        raise LabError("busybox is not installed, or not the static one; install busybox-static")
    return path


def libraries(binary):
    """What the dynamic linker loads for it, and the linker itself."""
    return re.findall(r"(/\S+) \(0x", run(["ldd", binary]).stdout)


def python_modules():
    """The files of Python's library that the guest's programs import."""
    names = ", ".join(os.path.basename(path).removesuffix(".py") for path in PROGRAMS)
    script = f"import os, sys; sys.path.insert(0, {HERE!r}); import {names}; print(os.path.dirname(os.__file__)); " \
             "print(*(getattr(module, '__file__', None) for module in list(sys.modules.values())), sep='\\n')"
    library, *paths = run([sys.executable, "-B", "-c", script]).stdout.split()
    return [path for path in paths if path.startswith(library)]


def key(files, init):
    digest = hashlib.sha256(init.encode())
    for target, source in sorted(files.items()):
        with open(source, "rb") as file:
            digest.update(f"{target}\0".encode() + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()[:16]


def pack(files, init, scratch):
    """Not compressed: unpacking costs the emulated processor more than the memory is worth."""
    root, path = os.path.join(scratch, "root"), os.path.join(scratch, "initramfs")
    for directory in ("proc", "sys", "dev", "tmp", "bin"):
        os.makedirs(os.path.join(root, directory))
    for target, source in files.items():
        staged = root + target
        os.makedirs(os.path.dirname(staged), exist_ok=True)
        if source != target and source in files:
            os.symlink(source, staged)
        elif source.endswith(".py") and source not in PROGRAMS:  # compiled ahead, for the same reason
            py_compile.compile(source, staged + "c", dfile=target, doraise=True,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        else:
            shutil.copy(source, staged)
    with open(os.path.join(root, "init"), "w") as file:
        file.write(init)
    os.chmod(os.path.join(root, "init"), 0o755)
    names = "".join(f"{os.path.relpath(os.path.join(where, name), root)}\n"
                    for where, directories, plain in os.walk(root) for name in sorted(directories) + sorted(plain))
    with open(path, "wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=names.encode(), stdout=file, cwd=root,
                       check=True)
    return path


if __name__ == "__main__":
    try:
        print(*boot())
    except LabError as error:
        sys.exit(f"guest.py: {error}")
