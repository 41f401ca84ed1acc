// SPDX-License-Identifier: GPL-2.0-or-later
#include "subagent/phase_source.h"

#include <stdexcept>

#include "config.h"
#include "subagent/qmp_source.h"
#if HAVE_LIBVIRT
#include "subagent/libvirt_source.h"
#endif

namespace vmmig {

std::unique_ptr<PhaseSource> makePhaseSource(const PhaseSourceOptions& options, EventLoop& loop, PhaseManager& phases,
                                             const std::string& hostName) {
  switch (options.kind) {
    case PhaseSourceKind::manual: break;
    case PhaseSourceKind::qmp: return makeQmpSource(options, loop, phases, hostName);
    case PhaseSourceKind::libvirt:
#if HAVE_LIBVIRT
      return makeLibvirtSource(options, loop, phases, hostName);
#else
      throw std::runtime_error("this vmmigd was built without libvirt; use another phase-source, or configure it --with-libvirt");
#endif
  }
  return nullptr;
}

}  // namespace vmmig
