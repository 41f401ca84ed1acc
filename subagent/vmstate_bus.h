// SPDX-License-Identifier: GPL-2.0-or-later
// The bus on which QEMU finds the gates that hold it: a private dbus-daemon, a child that ends with this process and is started
// again when it ends before. Only our user may own names there; QEMU's, whichever it is, may call them.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "common/event_loop.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace vmmig {

class VmstateBus {
 public:
  /// `up` and `down` come in turns.
  struct Callbacks {
    std::function<void()> up;
    std::function<void()> down;
  };

  VmstateBus(EventLoop& loop, std::string path, Callbacks callbacks);
  VmstateBus(const VmstateBus&) = delete;
  VmstateBus& operator=(const VmstateBus&) = delete;
  ~VmstateBus();

  bool isUp() const { return isUp_; }
  const std::string& path() const { return path_; }
  /// 0 when there is none.
  pid_t process() const { return child_; }
  /// Why it is not up.
  const std::string& trouble() const { return trouble_; }
  /// The address of the bus with this socket, as D-Bus writes it.
  static std::string addressOf(const std::string& path);

 private:
  void start();
  Status tryStart();
  /// The socket of one that was killed is in the way; one that is in use is not ours.
  Status clearPath() const;
  void onPrinted();
  void onEnd();
  void end();
  void startAgain(const std::string& trouble);

  EventLoop& loop_;
  std::string path_;
  Callbacks callbacks_;
  bool isUp_ = false;
  std::string trouble_ = "it is being started";
  pid_t child_ = 0;
  UniqueFd handle_;   // readable when the child has ended
  UniqueFd printed_;  // it prints its address there when it listens
  std::optional<EventLoop::TimerId> again_;
};

}  // namespace vmmig
