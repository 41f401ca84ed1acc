// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/linux_tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "subagent/linux_netlink.h"

namespace vmmig {

namespace {

ifreq requestFor(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

}  // namespace

Result<UniqueFd> LinuxTap::openQueue(std::string& name) {
  UniqueFd fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return failure("/dev/net/tun cannot be opened: " + errnoText(errno));
  auto request = requestFor(name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE;
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) return failure("no TAP device can be made: " + errnoText(errno));
  name = request.ifr_name;
  return fd;
}

Result<LinuxTap> LinuxTap::open(std::string name) {
  auto fd = openQueue(name);
  if (!fd) return failure(fd.error());
  auto spare = openQueue(name);
  if (!spare) return failure(spare.error());
  LinuxTap tap{std::move(*fd), std::move(name)};
  tap.spare_ = std::move(*spare);
  if (auto started = tap.start(); !started) return failure(started.error());
  return tap;
}

bool LinuxTap::waitForPackets() {
  auto request = requestFor(name_);
  request.ifr_flags = IFF_DETACH_QUEUE;
  if (::ioctl(spare_.get(), TUNSETQUEUE, &request) != 0) return false;
  request.ifr_flags = IFF_ATTACH_QUEUE;
  ::ioctl(spare_.get(), TUNSETQUEUE, &request);
  return true;
}

Status LinuxTap::start() {
  // Else the kernel gives it an address, and asks routers. Without IPv6 there is no such file.
  std::ofstream{"/proc/sys/net/ipv6/conf/" + name_ + "/addr_gen_mode"} << 1;
  UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  auto request = requestFor(name_);
  request.ifr_flags = IFF_UP;
  if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
    return failure("interface " + name_ + " cannot be set up: " + errnoText(errno));
  index_ = if_nametoindex(name_.c_str());
  if (::ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0)
    return failure("interface " + name_ + " tells no MAC address: " + errnoText(errno));
  std::memcpy(macAddress_.data(), request.ifr_hwaddr.sa_data, macAddress_.size());
  return {};
}

}  // namespace vmmig
